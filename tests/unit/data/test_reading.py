"""What every file format has in common, and what is found where nothing is given."""

import io
import pickle
import random
from pathlib import Path

import pytest

from fewfit.data import Dataset, FileFormat, Report, read_dataset, read_texts
from fewfit.errors import DataError, InputError


def labelled(dataset: Dataset) -> list[tuple[str, tuple[str, ...], int]]:
    return [(example.text, example.labels, example.row) for example in dataset.examples]


def codes(report: Report) -> dict[str, tuple[int, ...]]:
    return {finding.code: finding.rows for finding in report}


def test_a_csv_file_is_read_with_its_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text(
        'text,label\nNo refund yet,billing\n"Two\nlines, one text",delivery\nHello,other\n', encoding="utf-8"
    )

    dataset, report = read_dataset(path)

    assert labelled(dataset) == [
        ("No refund yet", ("billing",), 2),
        ("Two\nlines, one text", ("delivery",), 3),
        ("Hello", ("other",), 5),
    ]
    assert dataset.kind == "single"
    assert dataset.source == "tickets.csv"
    assert dataset.targets == ["billing", "delivery", "other"]
    assert len(report) == 0


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    rows = [("text", "label"), ("Where is it, please?", "delivery"), ("Hi there", "greeting")]
    data = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows).encode()

    dataset, _ = read_dataset(data)

    assert dataset.texts == ["Where is it, please?", "Hi there"]
    assert dataset.read_as is not None
    assert dataset.read_as.delimiter == delimiter


def test_commas_in_the_texts_do_not_hide_a_semicolon() -> None:
    data = (
        "Nachricht;Label\nHallo, wie geht es;Gruß\nLieferung, Rechnung, alles fehlt;Bestellung\nDanke;Gruß\n".encode()
    )

    dataset, _ = read_dataset(data)

    assert dataset.texts[1] == "Lieferung, Rechnung, alles fehlt"


@pytest.mark.parametrize(
    ("header", "text", "label"),
    [
        ("id,message,intent", "message", "intent"),
        ("label,text", "text", "label"),
        ("Category,Body,Agent", "Body", "Category"),
        ("ticket,label", "ticket", "label"),
        ("title,text,tags,label", "text", "label"),
    ],
)
def test_columns_are_found_by_their_names(header: str, text: str, label: str) -> None:
    names = header.split(",")
    row = ",".join({text: "no parcel", label: "delivery"}.get(name, "x") for name in names)

    dataset, report = read_dataset(f"{header}\n{row}\n".encode())

    assert labelled(dataset) == [("no parcel", ("delivery",), 2)]
    assert dataset.read_as is not None
    assert (dataset.read_as.text_column, dataset.read_as.label_column) == (text, label)
    assert report.ok


def test_two_columns_that_could_both_be_meant_are_warned_about() -> None:
    _, report = read_dataset(b"title,body,label\na,b,c\n")

    assert codes(report) == {"ambiguous_column": ()}
    assert "'title'" in report.warnings[0].message
    assert "'body'" in report.warnings[0].message


@pytest.mark.parametrize(("header", "clear"), [("text,label,Text", False), ("text,label,content", True)])
def test_two_columns_of_one_name_in_other_case_are_told(header: str, clear: bool) -> None:
    dataset, report = read_dataset(f"{header}\na,x,b\n".encode())

    assert dataset.texts == ["a"]
    assert report.codes == (() if clear else ("ambiguous_column",))


def test_given_columns_are_used_whatever_their_names() -> None:
    dataset, report = read_dataset(b"a;b;c\n1;no parcel;delivery\n", text_column="b", label_column="c", delimiter=";")

    assert labelled(dataset) == [("no parcel", ("delivery",), 2)]
    assert len(report) == 0


def test_two_columns_without_a_header_are_text_and_label_and_the_report_says_so() -> None:
    dataset, report = read_dataset(b"no parcel yet,delivery\ncard lost,cards\nparcel broken,delivery\n")

    assert labelled(dataset)[0] == ("no parcel yet", ("delivery",), 1)
    assert len(dataset) == 3
    assert codes(report) == {"no_header": (1,)}
    assert dataset.read_as is not None
    assert not dataset.read_as.header
    assert "header after all" not in report.warnings[0].message


def test_an_unknown_header_over_two_columns_raises_a_doubt() -> None:
    _, report = read_dataset(b"Anliegen,Abteilung\nKarte weg,Karten\nKarte kaputt,Karten\n")

    assert "header after all" in report.warnings[0].message


def test_a_label_called_like_a_column_does_not_make_a_header() -> None:
    dataset, report = read_dataset(b"look at my pull request,review\nship it,release\nplease check,review\n")

    assert len(dataset) == 3
    assert "no_header" in report.codes


def test_three_columns_need_a_header() -> None:
    dataset, report = read_dataset(b"1,no parcel,delivery\n2,card lost,cards\n")

    assert len(dataset) == 0
    assert codes(report) == {"missing_column": ()}
    assert "'no parcel'" in report.errors[0].message


@pytest.mark.parametrize(
    ("data", "given", "words"),
    [
        (b"text,other,third\na,b,c\n", {}, ["'label'", "'other'", "--label-column"]),
        (b"text,label\na,b\n", {"text_column": "txet"}, ["no column 'txet'", "Did you mean 'text'?"]),
        (b"text,label\na,b\n", {"text_column": "text", "label_column": "text"}, ["both text and label"]),
        (b"only one\nhello\n", {}, ["'only one'"]),
    ],
)
def test_a_missing_column_names_what_there_is(data: bytes, given: dict[str, str], words: list[str]) -> None:
    _, report = read_dataset(data, text_column=given.get("text_column"), label_column=given.get("label_column"))

    assert report.codes[0] == "missing_column"
    for word in words:
        assert word in str(report.errors[0])


def test_a_column_that_is_there_twice_is_an_error() -> None:
    _, report = read_dataset(b"text,label,text\na,b,c\n")

    assert report.codes == ("duplicate_column",)
    with pytest.raises(InputError, match="more than one column 'text'"):
        list(read_texts(b"id,text,text\n1,b,c\n"))


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark_make_no_difference(ending: str, mark: str) -> None:
    text = mark + ending.join(["text,label", "hello,greeting", "grüße,greeting", ""])

    dataset, report = read_dataset(text.encode())

    assert labelled(dataset) == [("hello", ("greeting",), 2), ("grüße", ("greeting",), 3)]
    assert len(report) == 0


def test_bad_utf8_is_reported_with_row_and_byte_and_the_other_rows_are_read() -> None:
    data = b"text,label\nfine,a\ncaf\xe9,a\nalso fine,b\n\xff\xfe,b\n"

    dataset, report = read_dataset(data)

    assert dataset.texts == ["fine", "also fine"]
    assert codes(report) == {"bad_utf8": (3, 5)}
    message = report.errors[0].message
    assert "row 3 (byte 0xE9 at byte 21, 'é' in Windows-1252)" in message
    assert data[21] == 0xE9


def test_bad_utf8_after_a_multibyte_text_is_counted_in_bytes() -> None:
    data = "text,label\ngrüße,a\n".encode() + b"\xe9,b\n"

    _, report = read_dataset(data)

    assert f"at byte {data.index(0xE9):,}," in report.errors[0].message


def test_bad_utf8_within_a_text_of_several_lines_drops_that_text_only() -> None:
    dataset, report = read_dataset(b'text,label\n"one\nt\xe9o",a\nfine,b\n')

    assert labelled(dataset) == [("fine", ("b",), 4)]
    assert codes(report) == {"bad_utf8": (3,)}


def test_a_bad_first_row_without_a_header_is_reported_once() -> None:
    dataset, report = read_dataset(b"caf\xe9,x\nno parcel,y\ncard lost,x\n")

    assert dataset.texts == ["no parcel", "card lost"]
    assert report.codes == ("bad_utf8", "no_header")


def test_a_nul_byte_is_reported() -> None:
    dataset, report = read_dataset(b"text,label\nfine and long enough,a\nhel\0lo,a\n")

    assert len(dataset) == 1
    assert codes(report) == {"nul_byte": (3,)}
    assert "at byte 37" in report.errors[0].message


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"\xef\xbb\xbf \r\n\n", "empty_file"),
        (b"PK\x03\x04\x14\0\x06\0", "not_text"),
        (b"\x1f\x8b\x08\0", "not_text"),
        ("text,label\na,b\n".encode("utf-16"), "not_text"),
        ("text,label\na,b\n".encode("utf-16-le"), "not_text"),
        (b"[object Object]", "object_object"),
        (b'[{"text": "a", "label": "b"}]', "json_array"),
        (b"PAR1 and then nothing", "bad_parquet"),
        (b"text,label\n", None),
    ],
)
def test_what_is_no_table_is_said_to_be(data: bytes, code: str | None) -> None:
    dataset, report = read_dataset(data)

    assert len(dataset) == 0
    assert report.codes == ((code,) if code else ())


def test_several_problems_are_all_reported_at_once() -> None:
    data = b'text,label\n,a\nno label,\n"bro"ken,a\nx,y,z\n\xe9,a\nfine,a\n'

    dataset, report = read_dataset(data)

    assert dataset.texts == ["fine"]
    assert codes(report) == {
        "bad_utf8": (6,),
        "broken_quoting": (4,),
        "field_count": (5,),
        "empty_label": (3,),
        "empty_text": (2,),
    }
    with pytest.raises(DataError) as caught:
        report.raise_for_errors("tickets.csv")
    assert str(caught.value).startswith("tickets.csv: 4 things must be put right first:")


def test_malformed_rows_can_be_skipped_with_warnings() -> None:
    data = b'text,label\nno label,\n"bro"ken,a\nfine,a\n'

    dataset, report = read_dataset(data, skip_malformed=True)

    assert dataset.texts == ["fine"]
    assert report.ok
    assert {finding.severity for finding in report} == {"warning"}
    assert all("skipped" in finding.message for finding in report)


def test_skipping_malformed_rows_does_not_excuse_a_missing_column() -> None:
    _, report = read_dataset(b"a,b,c\n1,2,3\n", skip_malformed=True)

    assert not report.ok


def test_the_ending_of_the_name_says_the_format() -> None:
    dataset, _ = read_dataset(io.BytesIO(b"text\tlabel\na, b\tc\n"), name="upload.TSV")

    assert labelled(dataset) == [("a, b", ("c",), 2)]


@pytest.mark.parametrize(("file_format", "format_read"), [("csv", "csv"), ("jsonl", "jsonl"), (None, "jsonl")])
def test_the_format_is_given_or_found(file_format: FileFormat | None, format_read: str) -> None:
    dataset, _ = read_dataset(b'\n {"text": "a", "label": "b"}\n', file_format=file_format)

    assert dataset.read_as is not None
    assert dataset.read_as.format == format_read


class Trickle(io.RawIOBase):
    """A pipe: it cannot seek, and gives a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk, self._data = self._data[:3], self._data[3:]
        buffer[: len(chunk)] = chunk
        return len(chunk)


def test_a_stream_that_cannot_seek_is_read() -> None:
    data = "text,label\ngrüße,a\nhello,b\n".encode()

    dataset, report = read_dataset(io.BufferedReader(Trickle(data)))

    assert dataset.texts == ["grüße", "hello"]
    assert report.ok


def test_paths_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file .*missing\.csv"):
        read_dataset(tmp_path / "missing.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_dataset(tmp_path)
    with pytest.raises(InputError, match="binary mode"):
        read_dataset(io.StringIO("text,label\n"))


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n"])
def test_a_delimiter_that_cannot_be_one_is_refused(delimiter: str) -> None:
    with pytest.raises(InputError, match="exactly one character"):
        read_dataset(b"text,label\n", delimiter=delimiter)


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InputError, match="multilabel"):
        read_dataset(b"text,label\n", kind="single", label_separator="|")


RANDOM = random.Random(0).randbytes(5000)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10" + RANDOM


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a"])
@pytest.mark.parametrize(
    "data",
    [PNG, PNG[8:], RANDOM, RANDOM[:60], b"\xff\xd8\xff\xe0" + RANDOM, pickle.dumps([("text", "label")] * 50, 4)],
    ids=["png", "chunks", "random", "short", "jpeg", "pickle"],
)
def test_a_binary_file_is_one_error_whatever_its_name(name: str, data: bytes) -> None:
    dataset, report = read_dataset(data, name=name)

    assert report.codes == ("not_text",)
    assert not dataset.examples


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("latin-1", "text,label\n" + "Où est mon colis acheté l'été dernier ?,délai\n" * 200),
        ("cp1251", "text,label\n" + "где моя посылка,доставка\n" * 200),
        ("shift_jis", "text,label\n" + "荷物がまだ届きません,配達\n" * 200),
        ("gbk", "text,label\n" + "我的包裹还没有到,快递\n" * 200),
    ],
)
def test_text_in_another_encoding_is_no_binary_file(encoding: str, text: str) -> None:
    _, report = read_dataset(text.encode(encoding), name="a.csv")

    assert report.codes == ("bad_utf8",)
    assert report.findings[0].count == 200


def test_control_characters_in_utf8_are_text() -> None:
    data = b"text,label\n" + b"\x1b[1mbold\x1b[0m \x07,a\n" * 9 + "é".encode() * 3000 + b",b\n"
    dataset, report = read_dataset(data, name="a.csv")

    assert report.codes == ()
    assert len(dataset) == 10


@pytest.mark.parametrize("data", [b"t\xe9xt,l\xe9,x\na,b,c\n", b"\xe9t\xe9,\xe9\na,b\n", b"\xe9t\xe9\na\n"])
def test_bytes_that_are_not_utf8_are_never_shown_as_surrogates(data: bytes) -> None:
    _, report = read_dataset(data, name="a.csv")

    shown = " ".join(map(str, report))
    assert "\\udc" not in shown
    assert "\N{REPLACEMENT CHARACTER}" in shown
    shown.encode("utf-8")
