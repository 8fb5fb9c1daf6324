import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewfit.errors import FewfitError, InputError
from fewfit.service.datasets.validation import Rules, Source, Validated, check_rows, read_files
from fewfit.service.records import DatasetOptions
from tests.unit.service.shop import jsonl, multi_rows, single_rows


def _validate(
    content: bytes, evaluation: bytes | None = None, *, kind: str = "single", filename: str = "", **options: object
) -> Validated:
    rules = Rules(
        kind="multi" if kind == "multi" else "single",
        options=DatasetOptions(**options),  # type: ignore[arg-type]
        min_examples=32,
        min_examples_per_label=5,
        min_eval_examples=24,
        eval_fraction=0.2,
        min_holdout_examples=250,
    )
    held_out = None if evaluation is None else Source(io.BytesIO(evaluation), filename)
    return check_rows(read_files(Source(io.BytesIO(content), filename), held_out, rules), rules)


def test_exactly_enough_is_enough() -> None:
    rows = single_rows(11)[:32]
    assert _validate(jsonl(rows)).error is None
    few = _validate(jsonl(rows[:31]))
    assert "few_examples" in few.report.codes
    assert "at least 32" in (few.error or "")


def test_copies_do_not_count_and_are_dropped_with_a_warning() -> None:
    rows = single_rows(11)[:32]
    found = _validate(jsonl([*rows, rows[0], rows[1]]))
    assert found.error is None
    assert len(found.train) == 32
    assert any("2 exact copies" in warning for warning in found.warnings)
    assert "few_examples" in _validate(jsonl([*rows[:31], rows[0]])).report.codes


def test_a_rare_label_fails_by_name_unless_skipping() -> None:
    rows = [*single_rows(), *({"text": f"back {n}", "label": "refund"} for n in range(3))]
    assert "'refund' has 3" in (_validate(jsonl(rows)).error or "")
    skipped = _validate(jsonl(rows), skip_malformed_input=True)
    assert skipped.error is None
    assert "refund" not in skipped.train.label_names
    assert any("'refund'" in warning for warning in skipped.warnings)


def test_skipping_checks_the_requirements_again_on_what_is_left() -> None:
    rows = [{"text": f"text {n}", "label": "common" if n < 40 else "rare"} for n in range(43)]
    found = _validate(jsonl(rows), skip_malformed_input=True)
    assert "at least 2 different labels" in (found.error or "")


def test_a_bad_row_fails_with_its_number_unless_skipping() -> None:
    content = jsonl(single_rows()) + b'{"text": "no label"}\n' + b"\xff\xfe broken \n"
    found = _validate(content)
    assert not found.report.ok
    rows = {row for finding in found.report.errors for row in finding.rows}
    assert rows == {49, 50}
    assert _validate(content, skip_malformed_input=True).error is None


def test_empty_texts_are_always_left_out() -> None:
    found = _validate(jsonl([*single_rows(), {"text": "  ", "label": "billing"}]))
    assert found.error is None
    assert len(found.train) == 48
    assert any("no text" in warning for warning in found.warnings)


def test_the_same_text_with_different_labels_stays_with_a_warning() -> None:
    found = _validate(jsonl([*single_rows(), {"text": single_rows()[0]["text"], "label": "delivery"}]))
    assert found.error is None
    assert len(found.train) == 49
    assert "conflicting_labels" in found.report.codes


def test_labels_are_trimmed_and_compared_to_the_letter() -> None:
    rows = [{"text": f"text {n}", "label": label} for n in range(12) for label in ("Billing ", "billing", "other")]
    found = _validate(jsonl(rows))
    assert found.train.label_names == ["Billing", "billing", "other"]


def test_a_label_on_every_row_fails() -> None:
    rows = [row | {"label": [*row["label"], "always"]} for row in multi_rows()]
    assert "'always' is on every row" in (_validate(jsonl(rows), kind="multi").error or "")


def test_rows_without_any_label_are_fine_in_multilabel_data() -> None:
    found = _validate(jsonl(multi_rows()), kind="multi")
    assert found.error is None
    assert any(not example.labels for example in found.train.examples)


def test_a_csv_needs_the_columns_by_name() -> None:
    lines = [f"{row['text']},{row['label']}" for row in single_rows()]
    assert _validate(("text,label\n" + "\n".join(lines)).encode(), filename="a.csv").error is None
    renamed = ("sentence,category\n" + "\n".join(lines)).encode()
    error = _validate(renamed, filename="a.csv").error or ""
    assert "text" in error
    assert _validate(renamed, filename="a.csv", text_column="sentence", label_column="category").error is None
    assert _validate(renamed, filename="a.csv", text_column=None, label_column=None).error is None


def test_several_labels_in_csv_need_a_separator() -> None:
    rows = [row for row in multi_rows() if row["label"]]
    content = ("text,label\n" + "\n".join(f"{row['text']},{'|'.join(row['label'])}" for row in rows)).encode()
    with pytest.raises(InputError, match="JSONL"):
        _validate(content, kind="multi")
    found = _validate(content, kind="multi", label_separator="|", filename="a.csv")
    assert found.error is None, found.error
    assert any(len(example.labels) == 2 for example in found.train.examples)


def test_an_evaluation_file_needs_enough_examples() -> None:
    held_out = [row | {"text": f"new {row['text']}"} for row in single_rows()]
    assert _validate(jsonl(single_rows()), jsonl(held_out[:24])).error is None
    error = _validate(jsonl(single_rows()), jsonl(held_out[:23])).error or ""
    assert "Evaluation file" in error
    assert "23 valid examples; at least 24" in error


def test_strange_labels_leave_the_evaluation_file_with_a_warning() -> None:
    held_out = [row | {"text": f"new {row['text']}"} for row in single_rows(8)]
    strange = [{"text": f"strange {n}", "label": "unheard of"} for n in range(4)]
    found = _validate(jsonl(single_rows()), jsonl([*held_out, *strange]))
    assert found.error is None
    assert found.evaluation is not None
    assert len(found.evaluation) == 24
    assert any("'unheard of'" in warning for warning in found.warnings)


def test_texts_in_both_files_are_reported() -> None:
    found = _validate(jsonl(single_rows()), jsonl(single_rows()[:24]))
    assert found.error is None
    assert any("24 texts are in the training file too" in warning for warning in found.warnings)


def test_windows_line_ends_and_a_byte_order_mark_are_fine() -> None:
    content = b"\xef\xbb\xbf" + jsonl(single_rows()).replace(b"\n", b"\r\n")
    assert len(_validate(content).train) == 48


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    content=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.binary(max_size=40).map(lambda junk: jsonl(single_rows()) + junk),
        st.binary(max_size=40).map(lambda junk: b"text,label\n" + junk),
    ),
    kind=st.sampled_from(["single", "multi"]),
    filename=st.sampled_from(["", "a.csv", "a.jsonl", "a.parquet"]),
    skip=st.booleans(),
)
def test_whatever_bytes_arrive_end_as_a_dataset_or_with_a_reason(
    content: bytes, kind: str, filename: str, skip: bool
) -> None:
    try:
        found = _validate(content, kind=kind, filename=filename, skip_malformed_input=skip)
    except FewfitError:
        return  # its message is what the dataset's record shows
    assert found.error or len(found.train) >= 32
    assert (found.error is None) == found.report.ok


def test_what_happens_without_an_evaluation_file_is_said() -> None:
    few = " ".join(_validate(jsonl(single_rows(20))).warnings)
    assert "every row will be trained on" in few
    assert "From 250 rows on, 20% are held out" in few
    many = " ".join(_validate(jsonl(single_rows(84))).warnings)
    assert "20% of the rows will be held out" in many
