import io
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from fewfit.data import Report, read_texts
from fewfit.errors import DataError, InputError


def texts(data: bytes, name: str | None = None, **given: str) -> list[tuple[str, int]]:
    return [(row.text, row.row) for row in read_texts(data, name=name, **given)]  # type: ignore[arg-type]


def test_plain_text_is_one_text_a_line_and_empty_lines_are_left_out() -> None:
    data = '\ufeffwhere is it?\r\n\r\n  \r\nquotes "stay", commas too\r\n'.encode()

    assert texts(data, "new.txt") == [("where is it?", 1), ('quotes "stay", commas too', 4)]
    assert texts(data) == texts(data, "new.txt")


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (b"id,text\n1,hello\n2,bye\n", "a.csv", [("hello", 2), ("bye", 3)]),
        (b"text,label\nhello,x\n", "a.csv", [("hello", 2)]),
        (b"text\nhello\n", "a.csv", [("hello", 2)]),
        (b"hello\nbye\n", "a.csv", [("hello", 1), ("bye", 2)]),
        (b"hello,x\nbye,y\n", "a.csv", [("hello", 1), ("bye", 2)]),
        (b"id\ttext\n1\thello, you\n", "a.tsv", [("hello, you", 2)]),
        (b'{"text": "hello"}\n{"text": ""}\n{"text": "bye"}\n', "a.jsonl", [("hello", 1), ("bye", 3)]),
        (b'{"text": "hello"}\n', None, [("hello", 1)]),
        (b"text,label\nhello,x\n", None, [("hello", 2)]),
        (b'\xef\xbb\xbfid;Message\n1;"hello; you"\n\n2;bye\n', None, [("hello; you", 2), ("bye", 4)]),
        (b"text\tlabel\nhello, you\tx\n", "63", [("hello, you", 2)]),
        (b"text,label\n", None, []),
        (b"text,label\nhello,x\n", "a.txt", [("text,label", 1), ("hello,x", 2)]),
        (b"text\nhello\n", None, [("text", 1), ("hello", 2)]),
        (b"question, please\n", None, [("question, please", 1)]),
        (b"question, please\nwhere is it?\n", None, [("question, please", 1), ("where is it?", 2)]),
        (b"my card, again\nmy parcel, too\n", None, [("my card, again", 1), ("my parcel, too", 2)]),
        (b"", "a.txt", []),
    ],
)
def test_other_formats_are_found(data: bytes, name: str | None, expected: list[tuple[str, int]]) -> None:
    assert texts(data, name) == expected


def test_a_column_can_be_given() -> None:
    assert texts(b"a;b\n1;hello\n", "a.csv", text_column="b") == [("hello", 2)]


def test_a_file_and_a_stream_are_read(tmp_path: Path) -> None:
    path = tmp_path / "new.txt"
    path.write_bytes(b"hello\n")

    assert [row.text for row in read_texts(path)] == ["hello"]
    assert [row.text for row in read_texts(io.BytesIO(b"hello\n"))] == ["hello"]


class Endless(io.RawIOBase):
    """A pipe that never ends and counts what was taken from it."""

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        buffer[: len(self.line)] = self.line
        self.taken += 1
        return len(self.line)


@pytest.mark.parametrize("line", [b"hello\n", b'{"text": "hello"}\n'])
def test_texts_come_before_the_stream_ends(line: bytes) -> None:
    source = Endless(line)

    rows = list(itertools.islice(read_texts(io.BufferedReader(source)), 3))

    assert [row.text for row in rows] == ["hello"] * 3
    assert source.taken <= 6


class Slow(io.RawIOBase):
    """A pipe from which one line at a time can be read."""

    def __init__(self, *lines: bytes) -> None:
        self.lines = list(lines)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        line = self.lines.pop(0) if self.lines else b""
        buffer[: len(line)] = line
        return len(line)


@pytest.mark.parametrize(
    ("lines", "texts"),
    [
        ((b"id,text\n", b"1,hello\n", b'2,"a, b"\n'), ["hello", "a, b"]),
        ((b"id,text\n", b"\n", b"1,hello\n"), ["hello"]),
        ((b"question, please\n", b"hello\n"), ["question, please", "hello"]),
        ((b"question, please\n",), ["question, please"]),
        ((b"text,label\n",), []),
        ((b"id,te", b"xt\n", b"1,hello\n"), ["hello"]),
        ((b"sep=;\r\n", b"id;text\r\n", b"1;hello\r\n"), ["hello"]),
        ((b"message, body", b" is here\n", b"hello\n"), ["message, body is here", "hello"]),
    ],
)
def test_a_slow_pipe_is_read_like_a_file(lines: tuple[bytes, ...], texts: list[str]) -> None:
    slow = read_texts(io.BufferedReader(Slow(*lines)), on_report=lambda _: None)

    assert [row.text for row in slow] == texts
    assert [row.text for row in read_texts(b"".join(lines), on_report=lambda _: None)] == texts


def test_the_first_malformed_row_stops_after_the_texts_before_it() -> None:
    found: list[str] = []

    def collect(rows: Iterator[object]) -> None:
        found.extend(str(row) for row in rows)

    with pytest.raises(DataError, match=r"row 2 \(byte 0xE9"):
        collect(row.text for row in read_texts(b"fine\ncaf\xe9\nalso fine\n"))
    assert found == ["fine"]


def test_with_a_report_malformed_rows_are_left_out() -> None:
    reports: list[Report] = []

    rows = list(read_texts(b'{"text": "fine"}\n{"text": 5}\noops\n', name="a.jsonl", on_report=reports.append))

    assert [row.text for row in rows] == ["fine"]
    assert [(finding.code, finding.severity, finding.rows) for finding in reports[0]] == [
        ("wrong_type", "warning", (2,)),
        ("bad_json", "warning", (3,)),
    ]


def test_with_a_report_malformed_rows_may_stop_all_the_same() -> None:
    reports: list[Report] = []
    rows = read_texts(b"hello\nbad \xe9\n", name="a.csv", on_report=reports.append, skip_malformed=False)

    with pytest.raises(DataError, match="row 2"):
        list(rows)
    assert reports[0].codes == ("bad_utf8", "no_header")


@pytest.mark.parametrize(
    ("name", "given", "remedy"),
    [(None, {}, True), ("a.txt", {}, True), ("a.jsonl", {}, False), (None, {"file_format": "jsonl"}, False)],
)
def test_what_only_looks_like_json_is_told_how_to_be_read_as_text(
    name: str | None, given: dict[str, str], remedy: bool
) -> None:
    with pytest.raises(DataError, match="not valid JSON") as error:
        texts(b"{name}, hello\nbye\n", name, **given)

    assert ("--file-format txt" in str(error.value)) == remedy
    assert texts(b"{name}, hello\nbye\n", name, file_format="txt") == [("{name}, hello", 1), ("bye", 2)]


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"PK\x03\x04 zipped", "a.txt", "Excel"),
        (b"PK\x03\x04 zipped", "a.csv", "Excel"),
        (b"a,b,c\n1,2,3\n", "a.csv", "No column is called 'text'"),
        (b"", "a.csv", "empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error(data: bytes, name: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        texts(data, name)
    with pytest.raises(DataError, match=words):
        list(read_texts(data, name=name, on_report=lambda report: None))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        list(read_texts(tmp_path / "none.txt"))


def test_a_quote_in_tsv_that_another_one_closes_rows_later_loses_its_own_row() -> None:
    reports: list[Report] = []
    data = b'id\ttext\n1\t"open\n2\tmiddle\n3\ta screen of 5"\n4\tfine\n5\t"two\nlines, a\ttab"\n'
    rows = list(read_texts(data, name="a.tsv", on_report=reports.append))

    assert [(row.row, row.text) for row in rows] == [
        (3, "middle"),
        (4, 'a screen of 5"'),
        (5, "fine"),
        (6, "two\nlines, a\ttab"),
    ]
    assert [(finding.code, finding.rows) for finding in reports[0]] == [("broken_quoting", (2,))]
