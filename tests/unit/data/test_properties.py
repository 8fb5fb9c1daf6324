"""Whatever the bytes: no other exception than FewfitError, and nothing is lost without a word."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fewfit.data import FileFormat, Report, Requirements, drop_duplicates, read_dataset, read_texts, validate
from fewfit.errors import FewfitError

# Bytes that look like tables are more telling than noise.
PIECES = st.sampled_from(
    [b"text", b"label", b",", b";", b"\t", b"|", b'"', b"'", b"\n", b"\r\n", b"\r", b"\0", b"\xef\xbb\xbf", b"\xff",
     b"\xe9", b"{", b"}", b"[", b"]", b":", b"a", b"b c", b" ", b"\\", b"\\ud800", b"null", b"1", b"1e999", b"NaN",
     '"ü"'.encode(), b'{"text": "a", "label": "b"}\n', b'{"text": "a", "label": ["b"]}\n', b"text,label\n", b"a,b\n",
     b"PAR1", b"PK\x03\x04", b"\xff\xfe"]
)  # fmt: skip
BYTES = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=40).map(b"".join))
NAMES = st.sampled_from(["a.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet", "a.txt", "a", ""])
FORMATS = st.sampled_from([None, "csv", "tsv", "jsonl", "parquet", "txt"])


@settings(max_examples=400, deadline=None)
@given(BYTES, NAMES, FORMATS, st.booleans(), st.sampled_from([None, "single", "multi"]))
@example(b'text,label\n"\0', "a.csv", None, False, None)
@example(b"a\rb,c\r", "a.csv", None, False, None)
def test_any_bytes_are_read_or_refused_with_a_reason(
    data: bytes, name: str, file_format: FileFormat | None, skip: bool, kind: None
) -> None:
    try:
        dataset, report = read_dataset(data, name=name, file_format=file_format, skip_malformed=skip, kind=kind)
    except FewfitError:
        return

    assert all(item.text.strip() and item.row > 0 for item in dataset.examples)
    for item in dataset.examples:
        item.text.encode()
        assert all(label == label.strip() and label for label in item.labels)
        assert dataset.kind == "multi" or len(item.labels) == 1
    assert all(str(finding) for finding in report)
    assert Report.from_dict(report.to_dict()) == report


@settings(max_examples=200, deadline=None)
@given(BYTES, NAMES, FORMATS)
def test_any_bytes_are_read_as_texts_or_refused_with_a_reason(
    data: bytes, name: str, file_format: FileFormat | None
) -> None:
    reports: list[Report] = []
    try:
        rows = list(read_texts(data, name=name, file_format=file_format, on_report=reports.append))
    except FewfitError:
        return

    assert all(row.text.strip() for row in rows)
    assert [row.row for row in rows] == sorted({row.row for row in rows})
    assert len(reports) == 1


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, st.sampled_from(["a", "A", "b", "c"])), max_size=30))
def test_any_texts_are_validated(rows: list[tuple[str, str]]) -> None:
    dataset, reading = read_dataset(([text for text, _ in rows], [label for _, label in rows]))

    report = reading.merge(validate(dataset, requirements=Requirements(strict=False)))

    assert len(dataset) == sum(bool(text.strip()) for text, _ in rows)
    assert report.ok == (len(dataset.label_counts) > 1)
    assert len(drop_duplicates(dataset)) == len({(e.text, e.labels) for e in dataset.examples})
