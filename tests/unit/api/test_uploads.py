"""Multipart bodies: any way of cutting them gives the same parts, and what is no upload is refused with a reason."""

import asyncio
import contextlib
import io
import itertools
from collections.abc import Sequence

import pytest
from fastapi import Request
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from starlette.types import Message

from fewfit.api.uploads import format_of, receive_parts
from fewfit.errors import InputError
from fewfit.service.errors import LimitError
from fewfit.web.errors import RequestError
from fewfit.web.multipart import Part

BOUNDARY = "----boundary"
CSV = b"text,label\nmy card,billing\n"


def form(*parts: tuple[str, bytes], filename: str | None = None) -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    pieces = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in parts
    ]
    return b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()


def receive(
    body: bytes,
    *,
    cuts: Sequence[int] = (),
    content_type: str = f"multipart/form-data; boundary={BOUNDARY}",
    limit_bytes: int = 10**9,
    sinks: dict[str, io.BytesIO] | None = None,
) -> list[Part]:
    """The parts of a body that arrives in pieces, cut at the positions given."""
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    pieces = [body[start:end] for start, end in itertools.pairwise(places)]
    kept = {} if sinks is None else sinks

    def open_sink(part: Part) -> io.BytesIO:
        return kept.setdefault(part.name, io.BytesIO())

    async def run() -> list[Part]:
        waiting = list(pieces)

        async def next_message() -> Message:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

        scope = {"type": "http", "headers": [(b"content-type", content_type.encode("latin-1"))]}
        return await receive_parts(Request(scope, next_message), open_sink, limit_bytes=limit_bytes)

    return asyncio.run(run())


@settings(deadline=None)
@given(
    content=st.binary(min_size=16, max_size=200),
    evaluation=st.binary(min_size=1, max_size=50),
    cuts=st.lists(st.integers(0, 600), max_size=8),
)
def test_parts_arrive_as_they_were_sent_however_they_are_cut(
    content: bytes, evaluation: bytes, cuts: list[int]
) -> None:
    assume(not any(words in content + evaluation for words in (BOUNDARY.encode(), b"[object Object]")))
    sinks: dict[str, io.BytesIO] = {}
    parts = receive(form(("data", content), ("eval_data", evaluation)), cuts=cuts, sinks=sinks)
    assert [(part.name, part.size_bytes) for part in parts] == [("data", len(content)), ("eval_data", len(evaluation))]
    assert sinks["data"].getvalue() == content
    assert sinks["eval_data"].getvalue() == evaluation


@settings(deadline=None)
@given(body=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=5))
def test_any_bytes_are_parts_or_an_input_error(body: bytes, cuts: list[int]) -> None:
    with contextlib.suppress(InputError):
        assert receive(body, cuts=cuts)


@settings(deadline=None)
@given(end=st.integers(0, 300), cuts=st.lists(st.integers(0, 400), max_size=3))
def test_a_form_that_is_cut_off_is_an_input_error(end: int, cuts: list[int]) -> None:
    whole = form(("data", CSV))
    with pytest.raises(InputError):
        receive(whole[: min(end, len(whole) - len(BOUNDARY) - 4)], cuts=cuts)


def test_a_filename_gives_the_format_and_loses_its_folders() -> None:
    (part,) = receive(form(("data", CSV), filename="C:\\\\data\\\\Train.CSV"))
    assert (part.filename, format_of(part)) == ("Train.CSV", "csv")
    (part,) = receive(form(("data", CSV)))
    assert (part.filename, format_of(part)) == (None, None)


def test_a_filename_may_be_no_utf_8() -> None:
    body = form(("data", CSV), filename="NAME.csv").replace(b"NAME", b"\xff\xfe")
    (part,) = receive(body)
    assert format_of(part) == "csv"


def test_a_boundary_that_is_too_long_is_an_input_error() -> None:
    with pytest.raises(RequestError, match="The multipart body cannot be read"):
        receive(b"x", content_type="multipart/form-data; boundary=" + "x" * 5000)


@pytest.mark.parametrize("content", [b"[object Object]", b"[object Object]\r\n", b"[object ArrayBuffer]"])
def test_object_object_is_explained(content: bytes) -> None:
    with pytest.raises(RequestError, match=r"\[object \w+\].*new File"):
        receive(form(("data", content)))


@pytest.mark.parametrize("content", [CSV[:16], CSV * 100])
def test_an_array_of_bytes_as_a_text_is_explained(content: bytes) -> None:
    with pytest.raises(RequestError, match=r"'\d+,[\d,]+\.\.\.'.*new File"):
        receive(form(("data", ",".join(map(str, content)).encode())))


@pytest.mark.parametrize("content", ["tickets.csv", "/home/me/" + 15 * "my data/" + "Träin.JSONL\n", r"C:\data\t.csv"])
def test_the_name_of_a_file_in_its_place_is_explained(content: str) -> None:
    with pytest.raises(RequestError, match=r"a file's name.*open\(path, 'rb'\).*data=@path"):
        receive(form(("data", content.encode())))


def test_a_text_that_begins_with_object_object_is_no_mistake() -> None:
    assert receive(form(("data", b"[object Object] is what it said,bug\n")))
    assert receive(form(("data", b"text,label\nsee tickets.csv")))
    assert receive(form(("data", b"1,2\n3,4\n5,6\n7,8\n9,10\n11,12\n")))


@pytest.mark.parametrize("name", ["train.xlsx", "train.parquet", "TRAIN.TXT", "a.csv.gz"])
def test_files_of_other_formats_are_refused_by_their_name(name: str) -> None:
    with pytest.raises(RequestError, match=r"\.csv or \.jsonl"):
        receive(form(("data", CSV), filename=name))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (form(("data", b"")), "empty"),
        (form(("eval_data", CSV)), "no part 'data'"),
        (form(("data", CSV), ("data", CSV)), "more than one part 'data'"),
        (form(("data", CSV), ("file", CSV)), "more than one part 'data'"),
        (form(("notes", CSV)), "'notes'"),
        (b"no form at all", "cannot be read"),
        (b"", "closing boundary"),
    ],
)
def test_what_is_wrong_is_said(body: bytes, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        receive(body)


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data", "text/csv"])
def test_other_bodies_are_refused(content_type: str) -> None:
    with pytest.raises(RequestError, match="multipart/form-data"):
        receive(form(("data", CSV)), content_type=content_type)


def test_a_body_that_is_too_large_is_refused_before_it_is_whole() -> None:
    sinks: dict[str, io.BytesIO] = {}
    body = form(("data", b"x" * 100_000))
    with pytest.raises(RequestError, match="1,000 bytes"):
        receive(body, cuts=range(0, len(body), 500), limit_bytes=1000, sinks=sinks)
    assert sum(len(sink.getvalue()) for sink in sinks.values()) <= 1000


def test_an_error_of_the_sink_is_the_answer() -> None:
    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise LimitError

    with pytest.raises(LimitError):
        receive(form(("data", CSV)), sinks={"data": Full()})
