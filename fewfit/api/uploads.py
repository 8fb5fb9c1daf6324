"""The files of an uploaded dataset: which parts a form may have, and what is visibly no dataset."""

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from fastapi import Request

from fewfit.web.errors import RequestError
from fewfit.web.multipart import HEAD_BYTES, Part, Sink, read_multipart

# Cohere's own curl sample calls the part "file".
PART_NAMES = {"data": "data", "file": "data", "eval_data": "eval_data"}
# Endings of files that are surely neither CSV nor JSONL; anything else is looked into.
OTHER_FORMATS = (
    *(".avro", ".doc", ".docx", ".gz", ".json", ".ods", ".parquet", ".pdf", ".tsv", ".txt"),
    *(".xls", ".xlsx", ".xml", ".yaml", ".yml", ".zip", ".zst"),
)
# What JavaScript makes of an object, and of an array of bytes, where a text is expected.
_OBJECT = re.compile(rb"\[object \w+\]")
_BYTES = re.compile(rb"\d{1,3}(,\d{1,3}){9,},?\d*")
# The name of a file, sent in place of what is in it.
_FILENAME = re.compile(rb"[^\r\n,{]+\.(csv|jsonl)", re.IGNORECASE)

_NODE_ADVICE = 'Read the file first and hand over its bytes in a File: new File([fs.readFileSync(path)], "train.csv").'


async def receive_parts(request: Request, open_sink: Callable[[Part], Sink], *, limit_bytes: int) -> list[Part]:
    """Streams the files of a dataset into sinks and returns the parts, each checked.

    Parts are called data or eval_data. Raises RequestError where the body is no form, has parts that it should
    not have, is cut off, or is larger than `limit_bytes`.
    """
    seen: set[str] = set()

    def open_known(part: Part) -> Sink:
        if part.name not in PART_NAMES:
            raise RequestError(
                f"The form has a part called '{part.name[:60]}'; expected 'data' and, if you like, 'eval_data'."
            )
        part.name = PART_NAMES[part.name]
        if part.name in seen:
            raise RequestError(f"The form has more than one part '{part.name}'; expected one.")
        seen.add(part.name)
        return open_sink(part)

    parts = await read_multipart(request, open_known, limit_bytes=limit_bytes)
    if "data" not in seen:
        raise RequestError("The form has no part 'data'; expected the dataset's file under that name.")
    for part in parts:
        _check(part)
    return parts


def format_of(part: Part) -> str | None:
    """Csv or jsonl where the filename says so."""
    ending = PurePosixPath(part.filename or "").suffix.lower()
    return ending[1:] if ending in (".csv", ".jsonl") else None


def _check(part: Part) -> None:
    """Raises RequestError for what is visibly no dataset."""
    shown = f"The part '{part.name}'"
    if part.size_bytes == 0:
        raise RequestError(f"{shown} is empty; expected a CSV or JSONL file.")
    head = part.head.strip()
    if part.size_bytes < HEAD_BYTES and _OBJECT.fullmatch(head):
        raise RequestError(
            f"{shown} holds the {len(head)} characters '{head.decode()}' in place of your file. The Node SDK sends "
            f"that for fs.createReadStream(path), an ArrayBuffer, {{path}} and {{data, filename}}. {_NODE_ADVICE}"
        )
    if _BYTES.fullmatch(head):
        raise RequestError(
            f"{shown} holds numbers and commas ('{head[:24].decode()}...') in place of your file. The Node SDK sends "
            f"that for a Uint8Array. {_NODE_ADVICE}"
        )
    if part.size_bytes < HEAD_BYTES and _FILENAME.fullmatch(head):
        raise RequestError(
            f"{shown} holds '{head.decode('utf-8', 'replace')}', a file's name in place of what is in it. Send the "
            "file: in Python open(path, 'rb'), with curl -F data=@path."
        )
    ending = PurePosixPath(part.filename or "").suffix.lower()
    if ending in OTHER_FORMATS:
        raise RequestError(f"{shown} is called '{part.filename}'; expected a .csv or .jsonl file.")
