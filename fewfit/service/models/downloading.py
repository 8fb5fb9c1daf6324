"""A version as a download: its folder as a zip file."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from sqlalchemy.orm import Session

from fewfit.errors import ArtifactError
from fewfit.service.errors import NotReadyError
from fewfit.service.models.model_rows import current_version, find_model, numbered, version_owner, versions_of
from fewfit.service.names import new_slug
from fewfit.service.records import Caller, OpenedFile, StoredFile
from fewfit.service.store.database import Database
from fewfit.service.store.files import CHUNK_BYTES, FileStore
from fewfit.service.store.references import files_of
from fewfit.service.store.tables import ModelRow, VersionRow


class Downloads:
    """Versions as zip files; see `exporting` for ONNX."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

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
