import json
from pathlib import Path

import pytest

from fewfit.data import Dataset, Example, read_dataset, write_dataset
from tests.unit.clear_texts import clear_examples
from tests.unit.cli.conftest import Run

FEW = "text,label\nmy card,card\nmy card,card\n,card\nmy parcel,parcel\n"


def test_good_data_end_with_zero(run: Run, tickets: Path, toy_base: Path) -> None:
    ran = run("check", tickets, "--base", toy_base)

    assert ran.exit_code == 0
    assert "can be trained on" in ran.stderr


def test_everything_is_listed_and_errors_end_with_three(run: Run, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text(FEW)

    ran = run("check", tmp_path / "few.csv")

    assert ran.exit_code == 3
    for code in ("few_examples", "rare_label", "empty_text", "duplicate_text", "length_unchecked"):
        assert f"[{code}]" in ran.stdout
    assert "few.csv has 2 errors" in ran.stderr


def test_json_holds_every_finding(run: Run, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text(FEW)

    ran = run("check", tmp_path / "few.csv", "--json")

    found = json.loads(ran.stdout)
    assert (found["ok"], found["kind"], found["n_examples"]) == (False, "single", 3)
    assert found["label_counts"] == {"card": 2, "parcel": 1}
    rows = {finding["code"]: finding["rows"] for finding in found["findings"]}
    assert rows["empty_text"] == [4]
    assert rows["duplicate_text"] == [3]


def test_requirements_can_be_lowered(run: Run, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text(FEW)

    ran = run("check", tmp_path / "few.csv", "--min-examples", "3", "--min-per-label", "1")

    assert ran.exit_code == 0


def test_texts_that_are_cut_are_found_with_a_base(run: Run, tickets: Path, toy_base: Path) -> None:
    ran = run("check", tickets, "--base", toy_base, "--max-length", "8")

    assert "[truncated_text]" in ran.stdout


def test_a_length_that_the_base_cannot_read_is_refused(run: Run, tickets: Path, toy_base: Path) -> None:
    for length in ("1", "65"):
        ran = run("check", tickets, "--base", toy_base, "--max-length", length)
        assert ran.exit_code == 3
        assert f"--max-length is {length}" in ran.stderr


def test_a_cleaned_file_is_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text(FEW)

    run("check", tmp_path / "few.csv", "--write", tmp_path / "clean.jsonl")

    dataset, report = read_dataset(tmp_path / "clean.jsonl")
    assert dataset.texts == ["my card", "my parcel"]
    assert report.ok


def test_a_file_without_its_columns_is_described(run: Run, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("a,b,c\n1,2,3\n")

    ran = run("check", tmp_path / "odd.csv", "--json")

    assert ran.exit_code == 3
    assert [finding["code"] for finding in json.loads(ran.stdout)["findings"]] == ["missing_column"]


def _with_wrong_labels(path: Path) -> list[int]:
    """Texts of which three have a label that is wrong; returns their rows."""
    dataset = Dataset(clear_examples(), "single")
    wrong = {dataset.examples[position].row for position in (5, 20, 40)}
    others = {"parcel": "card", "card": "film", "film": "parcel"}
    examples = [
        Example(e.text, (others[e.labels[0]],) if e.row in wrong else e.labels, e.row) for e in dataset.examples
    ]
    write_dataset(dataset.with_examples(examples), path)
    return sorted(wrong)


def test_wrong_labels_are_named_with_their_rows_and_what_they_should_be(
    run: Run, toy_base: Path, tmp_path: Path
) -> None:
    wrong = _with_wrong_labels(tmp_path / "data.csv")

    ran = run("check", tmp_path / "data.csv", "--base", toy_base, "--json")
    shown = run("check", tmp_path / "data.csv", "--base", toy_base)

    suspects = json.loads(ran.stdout)["suspects"]
    assert {suspect["row"] for suspect in suspects} >= set(wrong)
    assert len(suspects) <= 6
    assert "[suspect_label]" in shown.stdout
    assert "Labels that are likely to be wrong" in shown.stdout


def test_wrong_labels_can_be_put_right_in_the_file_that_is_written(run: Run, toy_base: Path, tmp_path: Path) -> None:
    _with_wrong_labels(tmp_path / "data.csv")
    good = {example.text: example.labels for example in clear_examples()}

    for fix, n_rows in (("relabel-suspects", 48), ("drop-suspects", 45)):
        out = tmp_path / f"{fix}.csv"
        ran = run("check", tmp_path / "data.csv", "--base", toy_base, "--write", out, "--fix", fix)
        assert ran.exit_code == 0
        fixed, _ = read_dataset(out)
        assert len(fixed) <= n_rows
        still_wrong = sum(good[example.text] != example.labels for example in fixed.examples)
        assert still_wrong == 0


def test_texts_to_evaluate_on_are_looked_for_in_the_data(
    run: Run, tickets: Path, toy_base: Path, tmp_path: Path
) -> None:
    (tmp_path / "test.csv").write_text("text,label\nWHERE is my parcel,parcel\n")

    ran = run("check", tickets, "--base", toy_base, "--eval", tmp_path / "test.csv", "--json",
              "--write", tmp_path / "clean.csv", "--fix", "drop-leaks")  # fmt: skip

    rows = {finding["code"]: finding["rows"] for finding in json.loads(ran.stdout)["findings"]}
    assert rows["leaked_text"] == [2]
    assert "where is my parcel" not in read_dataset(tmp_path / "clean.csv")[0].texts


def test_thorough_tunes_models_to_judge_by(run: Run, toy_base: Path, tmp_path: Path) -> None:
    wrong = _with_wrong_labels(tmp_path / "data.csv")

    ran = run("check", tmp_path / "data.csv", "--base", toy_base, "--thorough", "--json")

    assert "part 4 of 4" in ran.stderr
    assert {suspect["row"] for suspect in json.loads(ran.stdout)["suspects"]} & set(wrong)


def test_a_fix_needs_a_file_and_a_name_that_there_is(run: Run, tickets: Path, tmp_path: Path) -> None:
    alone = run("check", tickets, "--fix", "drop-leaks")
    unknown = run("check", tickets, "--fix", "polish", "--write", tmp_path / "x.csv")

    assert (alone.exit_code, unknown.exit_code) == (2, 2)
    assert "--write" in alone.stderr
    assert "relabel-suspects" in unknown.stderr


def test_labels_can_be_left_alone(run: Run, toy_base: Path, tmp_path: Path) -> None:
    _with_wrong_labels(tmp_path / "data.csv")

    ran = run("check", tmp_path / "data.csv", "--base", toy_base, "--no-labels", "--json")

    found = json.loads(ran.stdout)
    assert found["suspects"] == []
    assert "labels_unchecked" in {finding["code"] for finding in found["findings"]}


def test_a_file_that_is_read_is_never_written(run: Run, tickets: Path, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text(FEW)
    (tmp_path / "test.csv").write_text(FEW)
    (tmp_path / "link.csv").symlink_to(tmp_path / "few.csv")
    (tmp_path / "folder").mkdir()
    few = tmp_path / "few.csv"

    for target in (few, tmp_path / "link.csv", tmp_path / "folder" / ".." / "few.csv"):
        ran = run("check", few, "--write", target)
        assert ran.exit_code == 2
        assert "--write" in ran.stderr
        assert "another file" in ran.said
    ran = run("check", few, "--eval", tmp_path / "test.csv", "--write", tmp_path / "test.csv")

    assert ran.exit_code == 2
    assert "the file of --eval" in ran.said
    assert few.read_text() == (tmp_path / "test.csv").read_text() == FEW


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--no-labels", "--fix", "drop-suspects"], "--fix drop-suspects needs models"),
        (["--no-labels", "--fix", "relabel-suspects"], "leave out --no-labels"),
        (["--fix", "drop-leaks"], "give --eval FILE"),
    ],
)
def test_a_fix_that_could_not_be_made_is_refused_first(
    run: Run, tickets: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    ran = run("check", tickets, "--write", tmp_path / "x.csv", *options)

    assert (ran.exit_code, ran.stdout) == (2, "")
    assert words in ran.said
    assert not (tmp_path / "x.csv").exists()


def test_a_fix_that_needs_models_needs_their_base(
    run: Run, tickets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fewfit.cli.check.open_base_here", lambda base, max_length: None)

    ran = run("check", tickets, "--write", tmp_path / "x.csv", "--fix", "drop-suspects")

    assert ran.exit_code == 3
    assert "Give --base NAME" in ran.stderr
    assert not (tmp_path / "x.csv").exists()


def test_labels_that_were_not_looked_at_are_told_truthfully(run: Run, tickets: Path, toy_base: Path) -> None:
    ran = run("check", tickets, "--base", toy_base, "--no-labels")

    assert "Whether any label of 48 examples is wrong was not looked at." in ran.stdout
    assert "Without --no-labels it is, which takes seconds." in ran.stdout
    assert "Give --labels" not in ran.stdout


def test_where_there_are_no_labels_none_was_left_unchecked(run: Run, toy_base: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("text,label\n")

    ran = run("check", tmp_path / "empty.csv", "--base", toy_base, "--no-labels")

    assert "labels_unchecked" not in ran.stdout


def test_control_characters_in_labels_do_not_reach_the_terminal(run: Run, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text(FEW.replace(",parcel", ",\x1b]0;par\x07cel"))

    ran = run("check", tmp_path / "few.csv")

    assert r"\x1b]0;par\x07cel" in ran.stderr
    assert not {"\x1b", "\x07"} & set(ran.stdout + ran.stderr)


def test_a_file_of_no_format_is_refused_before_anything_is_checked(run: Run, tickets: Path, tmp_path: Path) -> None:
    ran = run("check", tickets, "--write", tmp_path / "out.txt")
    assert ran.exit_code == 2
    assert "says neither CSV nor JSONL. Call it .csv or .jsonl." in ran.said
    assert "example" not in ran.said


def test_how_a_file_of_several_labels_is_read_is_said(run: Run, tmp_path: Path) -> None:
    rows = tuple(Example(f"text number {row}", labels, row) for row, labels in enumerate((("a|b", "c"), ("c",)) * 20))
    write_dataset(Dataset(rows, "multi"), tmp_path / "data.jsonl")
    ran = run("check", tmp_path / "data.jsonl", "--no-labels", "--write", tmp_path / "out.csv")
    assert "Read it with --kind multi --label-separator ';'." in ran.said
    read, _ = read_dataset(tmp_path / "out.csv", kind="multi", label_separator=";")
    assert [example.labels for example in read.examples] == [example.labels for example in rows]
    assert "Read it" not in run("check", tmp_path / "data.jsonl", "--no-labels", "--write", tmp_path / "o.jsonl").said


def test_labels_that_csv_could_take_for_several_are_told(run: Run, tmp_path: Path) -> None:
    labels = ("Sales, EU", "Sales", "EU", "Sales, EU, Asia") * 10
    rows = tuple(Example(f"text number {row}", (label,), row) for row, label in enumerate(labels))
    write_dataset(Dataset(rows, "single"), tmp_path / "data.jsonl")
    ran = run("check", tmp_path / "data.jsonl", "--no-labels", "--write", tmp_path / "out.csv")
    assert read_dataset(tmp_path / "out.csv")[0].kind == "multi"
    assert "Read it with --kind single" in ran.said
    assert "Read it" not in run("check", tmp_path / "data.jsonl", "--no-labels", "--write", tmp_path / "o.jsonl").said


def test_a_file_is_not_replaced_by_one_without_examples(run: Run, tickets: Path, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("text,label\nmine,a\n")

    ran = run("check", tickets, "--text-column", "Txt", "--write", tmp_path / "good.csv")

    assert ran.exit_code == 3
    assert "No example is left" in ran.stderr
    assert (tmp_path / "good.csv").read_text() == "text,label\nmine,a\n"
