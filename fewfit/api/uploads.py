"""The files of an uploaded dataset: which parts a form may have, and what is visibly no dataset."""

from collections.abc import Callable
from pathlib import PurePosixPath

from fastapi import Request

from fewfit.web.errors import RequestError
from fewfit.web.multipart import Part, Sink, read_multipart

# Cohere's own curl sample calls the part "file".
PART_NAMES = {"data": "data", "file": "data", "eval_data": "eval_data"}
# Endings of files that are surely neither CSV nor JSONL; anything else is looked into.
OTHER_FORMATS = (
    *(".avro", ".doc", ".docx", ".gz", ".json", ".ods", ".parquet", ".pdf", ".tsv", ".txt"),
    *(".xls", ".xlsx", ".xml", ".yaml", ".yml", ".zip", ".zst"),
)
_OBJECT = b"[object Object]"


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
    if part.size_bytes <= len(_OBJECT) + 2 and part.head.strip() == _OBJECT:
        raise RequestError(
            f"{shown} holds the 15 characters '[object Object]' in place of your file. The Node SDK sends that for "
            "fs.createReadStream(path), {path} and {data, filename}. Read the file first and hand over its bytes: "
            'new File([fs.readFileSync(path)], "train.csv").'
        )
    ending = PurePosixPath(part.filename or "").suffix.lower()
    if ending in OTHER_FORMATS:
        raise RequestError(f"{shown} is called '{part.filename}'; expected a .csv or .jsonl file.")
