import csv
import io
import time

import pytest

from fewfit.data import delimited, read_dataset


@pytest.mark.parametrize(
    ("data", "rows", "texts"),
    [
        # A stray quote loses its own row, not the rest of the file.
        (b'text,label\n"never closed,a\nfine,a\nalso fine,b\n', (2,), ["fine", "also fine"]),
        (b'text,label\nfine,a\n"open,a\nmiddle,b\n"closed",b\n', (3,), ["fine", "middle", "closed"]),
        (b'text,label\n"a"b,c\nfine,a\n', (2,), ["fine"]),
        # A quote inside an unquoted field is an ordinary character.
        (b'text,label\n5" disk,a\nsaid "no",b\n', (), ['5" disk', 'said "no"']),
        (b'text,label\n"she said ""no""",a\n', (), ['she said "no"']),
    ],
)
def test_broken_quoting_is_reported_where_the_quote_opens(data: bytes, rows: tuple[int, ...], texts: list[str]) -> None:
    dataset, report = read_dataset(data)

    assert dataset.texts == texts
    assert [finding.rows for finding in report if finding.code == "broken_quoting"] == ([rows] if rows else [])


@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize("flipped", [False, True])
def test_a_quote_that_another_one_closes_rows_later_loses_its_own_row(delimiter: str, flipped: bool) -> None:
    rows = [("text", "label"), ('"open', "a"), ("middle", "b"), ('a screen of 5"', "a"), ("fine", "a"), ("late", "b")]
    lines = (delimiter.join(reversed(row) if flipped else row) for row in rows)
    dataset, report = read_dataset("\n".join(lines).encode())

    assert [(example.row, example.text) for example in dataset.examples][-3:] == [
        (4, 'a screen of 5"'),
        (5, "fine"),
        (6, "late"),
    ]
    assert len(dataset) == 4
    assert [(finding.code, finding.rows) for finding in report] == [("broken_quoting", (2,))]


@pytest.mark.parametrize("text", ["Dear team,\nmy parcel, late", "see\nx,y\nz", "one,\ntwo,\nthree,a,\n"])
def test_a_text_over_several_lines_with_delimiters_in_it_stays_whole(text: str) -> None:
    for line in (f'"{text}",a', f'a,"{text}"'):
        header = "text,label" if line.endswith("a") else "label,text"
        other = "fine,b" if line.endswith("a") else "b,fine"
        dataset, report = read_dataset(f"{header}\n{line}\n{other}\n".encode())

        assert dataset.texts == [text, "fine"]
        assert report.ok


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_spaces_between_a_delimiter_and_a_quote_are_no_part_of_the_field(delimiter: str) -> None:
    lines = ['"text"~ "label"', '"so, it is; or\t| not"~  "a"', '"say ""x"""~ "b"', "plain~ c"]
    dataset, report = read_dataset("\n".join(lines).replace("~", delimiter).encode())

    assert [(example.text, *example.labels) for example in dataset.examples] == [
        ("so, it is; or\t| not", "a"),
        ('say "x"', "b"),
        ("plain", "c"),
    ]
    assert report.ok


def test_a_quote_after_a_space_in_few_lines_is_an_ordinary_character() -> None:
    dataset, _ = read_dataset(b'label,text\na, "Great" product\nb,fine\na,good\n')

    assert [text.strip() for text in dataset.texts] == ['"Great" product', "fine", "good"]


def test_a_text_longer_than_the_csv_module_reads_by_default_is_read() -> None:
    text = "long " * 100_000
    dataset, report = read_dataset(f"text,label\n{text},a\n".encode())

    assert dataset.texts == [text]
    assert report.ok


def test_a_quote_that_swallows_very_much_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = b"".join(b"some words to make it long enough %d,a\n" % number for number in range(20_000))
    before = csv.field_size_limit(200_000)
    monkeypatch.setattr(delimited, "FIELD_LIMIT", 200_000)
    try:
        dataset, report = read_dataset(b'text,label\nfine,a\n"open,a\n' + rows)
    finally:
        csv.field_size_limit(before)

    assert report.errors[0].rows == (3,)
    assert "not closed within 200,000 characters" in report.errors[0].message
    assert len(dataset) == 20_001


def test_a_file_full_of_quotes_takes_linear_time() -> None:
    line = b'"a""\n'
    small, large = line * 4_000, line * 16_000
    started = time.perf_counter()
    read_dataset(b"text,label\n" + small)
    first = time.perf_counter() - started
    read_dataset(b"text,label\n" + large)

    assert time.perf_counter() - started < first * 40 + 5


def test_rows_are_numbered_by_line_over_blank_lines_and_texts_of_several_lines() -> None:
    dataset, _ = read_dataset(b'text,label\n\n"a\r\n\r\nb",x\n\nc,y\n')

    assert [example.row for example in dataset.examples] == [3, 7]


def test_a_row_of_empty_cells_is_a_row_without_text() -> None:
    dataset, report = read_dataset(b"text,label\na,x\n,\n")

    assert len(dataset) == 1
    assert report.codes == ("empty_text",)


def test_what_the_csv_module_writes_is_read_back() -> None:
    texts = ["a\nb", 'with "quotes"', "comma, semicolon; tab\t", " spaces ", "\r\n", "日本語"]
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([("text", "label"), *((text, "x") for text in texts)])

    dataset, report = read_dataset(buffer.getvalue().encode())

    assert dataset.texts == [text for text in texts if text.strip()]
    assert report.codes == ("empty_text",)


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "\ufeffsep=;"])
def test_a_first_line_for_excel_says_the_delimiter_and_is_no_row(first: str) -> None:
    dataset, report = read_dataset(f"{first}\r\nid;text;label\r\n1;a, b;x\r\n2;c, d;y\r\n".encode())

    assert [(example.row, example.text) for example in dataset.examples] == [(3, "a, b"), (4, "c, d")]
    assert len(report) == 0


def test_the_header_again_where_files_were_joined_is_no_example() -> None:
    part = b"\xef\xbb\xbftext, label\na,x\nb,y\n"
    dataset, report = read_dataset(part + part)

    assert [(example.row, example.text) for example in dataset.examples] == [(2, "a"), (3, "b"), (5, "a"), (6, "b")]
    assert [(finding.code, finding.severity, finding.rows) for finding in report] == [
        ("repeated_header", "warning", (4,))
    ]
