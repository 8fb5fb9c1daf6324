"""A version as a download: its folder as a zip file, or one ONNX file for other programs."""

import logging
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, cast

from sqlalchemy.orm import Session

from fewfit.errors import ArtifactError
from fewfit.service.database import Database
from fewfit.service.errors import BusyError, NotReadyError
from fewfit.service.files import CHUNK_BYTES, FileStore
from fewfit.service.model_rows import answers_owner, current_version, find_model, numbered, version_owner, versions_of
from fewfit.service.names import new_slug
from fewfit.service.records import Caller, OpenedFile, StoredFile
from fewfit.service.references import claim, files_of
from fewfit.service.tables import ModelRow, VersionRow
from fewfit.service.uploads import store_file

logger = logging.getLogger(__name__)

ONNX_FILE: Final = "model.onnx"


class Downloads:
    """Versions as files."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files
        # An export takes seconds and the model's size twice in memory: one at a time.
        self._exporting = threading.Lock()

    def artifact(self, caller: Caller, model_id: str, version: int | None = None) -> OpenedFile:
        """The folder of a version as a zip file (scope read), written while it is sent; its size is not known before.

        Unpacked, it is what `Classifier.load` and `fewfit classify` take.
        """
        caller.require("read")
        with self._database.reading() as session:
            row, found = _ready(session, caller, model_id, version)
            files = files_of(session, version_owner(row, found.number))
        name = _name(row, found)
        return OpenedFile(f"{name}.zip", "application/zip", None, self._zip(name, files))

    def onnx(self, caller: Caller, model_id: str, version: int | None = None) -> OpenedFile:
        """A version as one ONNX file (scope read), made at the first request and kept with the version.

        Raises BusyError while another is being made, MissingExtraError where the server cannot export.
        """
        caller.require("read")
        with self._database.reading() as session:
            row, found = _ready(session, caller, model_id, version)
            files = files_of(session, version_owner(row, found.number))
            made = files_of(session, answers_owner(row, found.number)).get(ONNX_FILE)
        made = made or self._export(row, found, files)
        return OpenedFile(
            f"{_name(row, found)}.onnx", "application/octet-stream", made.size_bytes, self._files.chunks(made.sha256)
        )

    def _export(self, row: ModelRow, version: VersionRow, files: dict[str, StoredFile]) -> StoredFile:
        if not self._exporting.acquire(blocking=False):
            raise BusyError(
                "Another model is being exported at the moment. Try again in a few seconds.", retry_after_s=5
            )
        try:
            folder = self._files.new_folder()
            try:
                return self._export_in(folder, row, version, files)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            self._exporting.release()

    def _export_in(self, folder: Path, row: ModelRow, version: VersionRow, files: dict[str, StoredFile]) -> StoredFile:
        from fewfit.serving import export_onnx

        for name, file in files.items():
            target = _inside(folder / "model", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._files.copy_to(file.sha256, target)
        export_onnx(folder / "model", folder / ONNX_FILE)
        made = store_file(self._database, self._files, row.organization_id, folder / ONNX_FILE, ONNX_FILE)
        with self._database.writing() as session:
            owner = answers_owner(row, version.number)
            # Deleted in the meantime: what was made goes as an upload that nobody took.
            model = find_model(session, row.organization_id, row.id, lock=True)
            if ONNX_FILE not in files_of(session, owner) and model is not None:
                claim(session, owner, ONNX_FILE, made)
        return made

    def _zip(self, folder: str, files: dict[str, StoredFile]) -> Iterator[bytes]:
        sink = _Sink()
        with zipfile.ZipFile(cast(IO[bytes], sink), "w", zipfile.ZIP_STORED) as archive:  # weights do not shrink
            for name, file in files.items():
                _inside(Path(folder), name)
                entry = zipfile.ZipInfo(f"{folder}/{name}", date_time=(2020, 1, 1, 0, 0, 0))
                entry.external_attr = 0o644 << 16
                with archive.open(entry, "w", force_zip64=file.size_bytes >= 2**31) as target:
                    for chunk in self._files.chunks(file.sha256):
                        target.write(chunk)
                        yield from sink.taken()
        yield from sink.taken()


class _Sink:
    """Where a zip file is written to that is sent at once; it cannot go back, and holds a few chunks at most."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> Iterator[bytes]:
        parts, self._parts = self._parts, []
        data = b"".join(parts)
        for start in range(0, len(data), CHUNK_BYTES):
            yield data[start : start + CHUNK_BYTES]


def _inside(folder: Path, name: str) -> Path:
    """A file of a folder. Raises ArtifactError for a name that leads out of it."""
    parts = Path(name).parts
    if Path(name).is_absolute() or ".." in parts or "\\" in name or not parts:
        raise ArtifactError(f"The model has a file {name!r}, which lies outside of its folder; it is not given out.")
    return folder / name


def _ready(session: Session, caller: Caller, model_id: str, number: int | None) -> tuple[ModelRow, VersionRow]:
    row = find_model(session, caller.organization_id, model_id)
    versions = versions_of(session, row.id)
    found = current_version(row, versions) if number is None else numbered(versions, number)
    if found.status != "ready":
        raise NotReadyError(f"Version {found.number} is {found.status}; only a ready one can be downloaded.")
    return row, found


def _name(row: ModelRow, version: VersionRow) -> str:
    return f"{new_slug(row.name, 'model')}-v{version.number}"
