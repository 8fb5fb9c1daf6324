"""Receiving a file: hashed while it is written, in constant memory, whole or not at all."""

import hashlib
import uuid
from contextlib import suppress
from pathlib import Path

from fewfit.service.errors import LimitError
from fewfit.service.records import StoredFile
from fewfit.service.store.database import Database
from fewfit.service.store.failpoints import fail_point
from fewfit.service.store.files import CHUNK_BYTES, FileStore, outages_told
from fewfit.service.store.references import register


class Upload:
    """A file being received. Write chunks as they come, then `finish` or `abort`."""

    def __init__(
        self,
        database: Database,
        files: FileStore,
        organization_id: str,
        *,
        limit_bytes: int,
        filename: str | None = None,
    ) -> None:
        self._database = database
        self._files = files
        self._organization_id = organization_id
        self._limit_bytes = limit_bytes
        self._filename = filename
        self._stream, self._path = files.new_file()
        self._hash = hashlib.sha256()
        self._done = False
        self.size_bytes = 0

    def write(self, chunk: bytes) -> None:
        """Adds bytes. Raises LimitError beyond the largest size that is allowed; then nothing is kept."""
        self.size_bytes += len(chunk)
        if self.size_bytes > self._limit_bytes:
            self.abort()
            raise LimitError(
                f"The upload has more than {self._limit_bytes:,} bytes, which is the most that is allowed. "
                "Split the dataset, or delete others."
            )
        self._hash.update(chunk)
        with outages_told():
            self._stream.write(chunk)

    def finish(self) -> StoredFile:
        """Makes the file whole and durable. It is deleted again unless something takes it within an hour.

        Where that fails, nothing is kept.
        """
        try:
            with outages_told():
                self._stream.close()
            file = StoredFile(self._hash.hexdigest(), self.size_bytes, self._filename, upload_id=uuid.uuid4().hex)
            fail_point("upload.received")
            with self._database.writing() as session:
                register(session, file, self._organization_id)
            fail_point("upload.registered")
            self._files.take(self._path, file.sha256)
        except BaseException:
            self.abort()
            raise
        self._done = True
        fail_point("upload.stored")
        return file

    def abort(self) -> None:
        """Drops what was received; does nothing after `finish`."""
        if self._done:
            return
        self._done = True
        with suppress(OSError):  # what is still to be written finds no room
            self._stream.close()
        self._path.unlink(missing_ok=True)


def store_file(database: Database, files: FileStore, organization_id: str, path: Path, filename: str) -> StoredFile:
    """Puts a file of this machine into the store, as an upload that is to be claimed."""
    upload = Upload(database, files, organization_id, limit_bytes=2**63, filename=filename)
    try:
        with path.open("rb") as source:
            while chunk := source.read(CHUNK_BYTES):
                upload.write(chunk)
    except BaseException:
        upload.abort()
        raise
    return upload.finish()


def store_folder(database: Database, files: FileStore, organization_id: str, folder: Path) -> dict[str, StoredFile]:
    """Puts every file of a folder into the store: uploads to be claimed, by path in the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): store_file(database, files, organization_id, path, path.name) for path in paths
    }
