"""The file store: every file under the SHA-256 of its content, in a folder or behind an fsspec URL."""

import errno
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from fewfit.errors import MissingExtraError
from fewfit.service.errors import FilesError, StoreError

logger = logging.getLogger(__name__)

CHUNK_BYTES = 256 * 1024


class FileStore:
    """Whole files by hash. What is in it never changes; a file appears at once or not at all.

    Files are received in a folder of this machine (`staging`). From there a local store takes them by a
    rename (of a copy, where it is another file system), a remote one by an upload that is complete or void.
    Asking a store that is away or full raises FilesError.
    """

    def __init__(self, url: str, folder: Path, *, endpoint_url: str = "") -> None:
        self.staging = folder / "staging"
        self.staging.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {}
        if endpoint_url:
            options["client_kwargs"] = {"endpoint_url": endpoint_url}
        if url.startswith("s3"):
            options["use_listings_cache"] = False
        try:
            self._fs, root = fsspec.core.url_to_fs(url or str(folder / "files"), **options)
        except ImportError as error:
            raise MissingExtraError(
                f'Files under {url!r} need a package that is not installed: {error}. Install "fewfit[s3]" for S3.'
            ) from error
        except ValueError as error:
            raise StoreError(f"files_url is {url!r}: {error}. Expected for example s3://bucket/folder.") from error
        self._root = root.rstrip("/")
        self._local = isinstance(self._fs, LocalFileSystem)
        if self._local:
            Path(self._root).mkdir(parents=True, exist_ok=True)

    def new_file(self) -> tuple[BinaryIO, Path]:
        """An empty file in the staging folder, to be written and handed to `take`."""
        with outages_told():
            handle, name = tempfile.mkstemp(dir=self.staging)
            return os.fdopen(handle, "wb"), Path(name)

    def new_folder(self) -> Path:
        """An empty folder in the staging folder; delete it after use."""
        with outages_told():
            return Path(tempfile.mkdtemp(dir=self.staging))

    def take(self, path: Path, sha256: str) -> None:
        """Moves a whole file from the staging folder into the store; it may be there already."""
        target = self._path(sha256)
        with outages_told():
            if not self._local:
                self._fs.put_file(str(path), target)
                path.unlink()
                return
            place = Path(target)
            if not place.parent.is_dir():
                place.parent.mkdir(exist_ok=True)
                _sync(place.parent.parent)
            _move(path, place)
            _sync(place.parent)

    def open(self, sha256: str) -> BinaryIO:
        """A file for reading. Raises StoreError where it is missing."""
        with outages_told():
            try:
                return cast(BinaryIO, self._fs.open(self._path(sha256), "rb"))
            except FileNotFoundError as error:
                raise StoreError(f"The file {sha256[:12]}... is missing from the file store.") from error

    def chunks(self, sha256: str) -> Iterator[bytes]:
        """The content of a file, piece by piece."""
        with self.open(sha256) as file, outages_told():
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def copy_to(self, sha256: str, target: Path) -> None:
        """Puts a file at a path of this machine; a hard link where that is possible."""
        with outages_told():
            if self._local:
                try:
                    os.link(self._path(sha256), target)
                    return
                except FileNotFoundError as error:
                    raise StoreError(f"The file {sha256[:12]}... is missing from the file store.") from error
                except OSError:
                    # Another file system, or one without links: a copy does as well.
                    shutil.copyfile(self._path(sha256), target)
                    return
            with target.open("wb") as file:
                for chunk in self.chunks(sha256):
                    file.write(chunk)

    def exists(self, sha256: str) -> bool:
        """Whether the store has a file."""
        with outages_told():
            return bool(self._fs.exists(self._path(sha256)))

    def delete(self, sha256: str) -> None:
        """Deletes a file; it may be gone already."""
        with outages_told(), suppress(FileNotFoundError):
            self._fs.rm_file(self._path(sha256))

    def check(self) -> None:
        """Writes, reads and deletes a small file. Raises StoreError where that fails."""
        path = f"{self._root}/check-{os.getpid()}-{os.urandom(4).hex()}"
        with outages_told():
            self._fs.pipe_file(path, b"fewfit")
            if self._fs.cat_file(path) != b"fewfit":
                raise StoreError("The file store gives back something else than was written.")
            self._fs.rm_file(path)

    def _path(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"


@contextmanager
def outages_told() -> Iterator[None]:
    """Tells what went wrong in the log alone: it may name hosts and folders, and the caller may be anybody."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:  # what S3's client raises where nobody answers is no OSError
        logger.warning("The file store gave up: %s", error)
        raise FilesError from error


def _move(path: Path, place: Path) -> None:
    """Puts a file that is on disk in another place, where it appears at once, also on another file system."""
    _sync(path)
    try:
        path.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        unfinished = place.with_name(f"{place.name}-{os.urandom(4).hex()}")
        try:
            shutil.copyfile(path, unfinished)
            _sync(unfinished)
            unfinished.replace(place)
        finally:
            unfinished.unlink(missing_ok=True)
        path.unlink()


def _sync(path: Path) -> None:
    """Makes what was written to a file, or renamed in a folder, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
