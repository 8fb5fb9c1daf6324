"""The form that uploads a dataset: files streamed to the store, or rows that were pasted."""

import io
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast

from anyio import to_thread
from fastapi import Request

from fewfit.dashboard.context import Context
from fewfit.dashboard.forms import CSRF_FIELD, OldFormError, check_csrf, check_origin
from fewfit.dashboard.visitors import Visitor
from fewfit.service.datasets.repairs import FEWEST_EVAL_EXAMPLES
from fewfit.service.records import Caller, Dataset, DatasetOptions, StoredFile
from fewfit.web.errors import RequestError
from fewfit.web.multipart import Part, Sink, read_multipart

if TYPE_CHECKING:
    from fewfit.service.interface import UploadLike

_SINGLE = "single-label-classification-finetune-input"
_LONGEST_NAME = 49
# Everything is found from the data; the type only stands in until it is.
OPTIONS = DatasetOptions(text_column=None, label_column=None, find_kind=True, min_eval_examples=FEWEST_EVAL_EXAMPLES)
_FIELDS = {CSRF_FIELD: 200, "name": 1000}
_FILES = ("data", "eval_data")


@dataclass
class UploadForm:
    """What was sent, so far: what the page shows again where something is wrong with it."""

    name: str = ""
    pasted: str = ""
    files: list[str] = field(default_factory=list)


class _Field(io.BytesIO):
    """A field of a form, kept in memory up to a limit."""

    def __init__(self, name: str, limit_bytes: int) -> None:
        super().__init__()
        self._name, self._limit = name, limit_bytes

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Takes the next bytes. Raises RequestError for too many."""
        if self.tell() + len(data) > self._limit:
            raise RequestError(
                f"The field {self._name} has more than {self._limit:,} bytes. Send larger data as a file."
            )
        return super().write(data)


class _Nothing:
    """Where the bytes of a file go that was not chosen, or came with an old form or from whoever is not signed in."""

    def write(self, data: bytes, /) -> int:
        """Forgets them."""
        return len(data)


async def receive_dataset(request: Request, context: Context, visitor: Visitor, form: UploadForm) -> Dataset:
    """Keeps the files, or the pasted rows, as a dataset and has it checked. Raises InputError for what is wrong.

    The token comes before the files in the form: nothing is stored before it was checked.
    """
    visitor.caller.require("train")
    fields: dict[str, _Field] = {}
    uploads: dict[str, UploadLike] = {}
    checked, refused = not visitor.csrf, cast(OldFormError | None, None)
    if visitor.csrf:
        check_origin(request)
    with ExitStack() as abandoned:

        def open_sink(part: Part) -> Sink:
            nonlocal checked, refused
            if part.name in _FIELDS or part.name == "pasted":
                limit = _FIELDS.get(part.name, context.settings.max_body_bytes)
                return fields.setdefault(part.name, _Field(part.name, limit))
            if part.name not in _FILES:
                raise RequestError(f"The form has a part {part.name[:40]!r}; expected data, eval_data, pasted or name.")
            if not checked:
                checked = True
                try:
                    check_csrf(visitor.csrf, _text(fields, CSRF_FIELD))
                except OldFormError as error:
                    refused = error
            if refused or not part.filename:
                return _Nothing()
            upload = context.service.datasets.upload(visitor.caller, part.filename)
            abandoned.callback(upload.abort)
            uploads[part.name] = upload
            form.files.append(part.filename)
            return upload

        await read_multipart(request, open_sink, limit_bytes=2 * context.settings.max_dataset_bytes + 2**26)
        form.name, form.pasted = _text(fields, "name"), _text(fields, "pasted")
        if not checked:
            check_csrf(visitor.csrf, _text(fields, CSRF_FIELD))
        if refused:  # only now: what was pasted comes after the file, and is shown again
            raise refused

        if "data" in uploads and form.pasted.strip():
            raise RequestError("There is a file and there are pasted rows; one of them is meant. Leave the other out.")

        def keep() -> Dataset:
            stored = {name: upload.finish() for name, upload in uploads.items()}
            if "data" not in stored:
                if not form.pasted.strip():
                    raise RequestError("There is neither a file nor pasted rows; choose one, or paste some.")
                stored["data"] = store_text(context, visitor.caller, form.pasted)
            return make_dataset(context, visitor.caller, form.name, stored)

        return await to_thread.run_sync(keep)


async def read_pasted(request: Request, *, limit_bytes: int) -> list[tuple[str, str]]:
    """The name and the rows that were pasted into the form, by whoever is not signed in; nothing where there are none.

    Raises RequestError for anything else, and where it is too large.
    """
    fields: dict[str, _Field] = {}

    def open_sink(part: Part) -> Sink:
        if part.name not in ("name", "pasted"):
            return _Nothing()
        return fields.setdefault(part.name, _Field(part.name, limit_bytes))

    await read_multipart(request, open_sink, limit_bytes=limit_bytes)
    return [(name, _text(fields, name)) for name in fields] if _text(fields, "pasted").strip() else []


def make_dataset(context: Context, caller: Caller, name: str, stored: dict[str, StoredFile]) -> Dataset:
    """A dataset of stored files, called by its name or else by its file."""
    return context.service.datasets.create(
        caller,
        name=name.strip() or _name_of(stored["data"].filename),
        dataset_type=_SINGLE,
        data=stored["data"],
        eval_data=stored.get("eval_data"),
        options=OPTIONS,
    )


def store_text(context: Context, caller: Caller, text: str, filename: str | None = None) -> StoredFile:
    """Rows that came as text, as a stored file."""
    upload = context.service.datasets.upload(caller, filename)
    try:
        upload.write(text.encode("utf-8", "replace"))
        return upload.finish()
    finally:
        upload.abort()


def _name_of(filename: str | None) -> str:
    """A file's name without its ending, as far as a dataset's name may go."""
    stem = PurePosixPath(filename or "").stem
    return "".join(filter(str.isprintable, stem)).strip()[:_LONGEST_NAME] or "Pasted rows"


def _text(fields: dict[str, _Field], name: str) -> str:
    return fields[name].getvalue().decode("utf-8", "replace") if name in fields else ""
