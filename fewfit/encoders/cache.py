"""Where weights are kept on this machine, and how fewfit knows that they are whole."""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from fewfit.data.whole import whole_file
from fewfit.errors import DigestError

_REMEMBER_BYTES = 1 << 20  # smaller files are hashed faster than their record is read


def cache_folder() -> Path:
    """The folder that fewfit keeps weights in: FEWFIT_CACHE, else the platform's cache folder."""
    if given := os.environ.get("FEWFIT_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "fewfit" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "fewfit"
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "fewfit"


def base_folder(name: str) -> Path:
    """Where the assembled weights of a known base lie, whether they are there or not."""
    return cache_folder() / "bases" / name


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as 64 hex digits.

    For large files it is remembered with the file's size, times and inode, so that loading a base
    does not read 400 MB twice; a file that was touched is hashed again.
    """
    stat = path.stat()
    stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    if stat.st_size < _REMEMBER_BYTES:
        return _hash(path)
    key = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    record = cache_folder() / "digests" / f"{key[:32]}.json"
    try:
        remembered = json.loads(record.read_text(encoding="utf-8"))
        if remembered["stamp"] == stamp:
            return str(remembered["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no record, or one that cannot be read: hashing again is always right
    digest = _hash(path)
    with contextlib.suppress(OSError):  # a cache that cannot be written to costs time, never correctness
        write_atomically(record, json.dumps({"stamp": stamp, "sha256": digest}))
    return digest


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Write a small text file so that a reader sees the old content or the new, never a part."""
    write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(content)


def faults(folder: Path, files: Mapping[str, str]) -> list[str]:
    """What is wrong with the files in `folder`: one sentence each, none when all are as pinned."""
    found = []
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is missing")
            continue
        digest = sha256_of(path)
        if digest != expected:
            found.append(f"{name} has SHA-256 {digest[:12]}…, expected {expected[:12]}…")
    return found


@contextlib.contextmanager
def _lock(folder: Path, on_wait: Callable[[], None] | None) -> Iterator[None]:
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if on_wait:
            on_wait()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def making(path: Path) -> Iterator[None]:
    """Holds others up that would make what is kept at `path`, too. Where the cache cannot be written to, nobody is."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_lock(path, None))
        yield


def assemble(
    folder: Path,
    files: Mapping[str, str],
    write: Callable[[Path], None],
    on_wait: Callable[[], None] | None = None,
) -> None:
    """Make `folder` hold `files` with exactly these digests; a folder that does is left alone.

    `write` puts the files into a new folder beside it, which takes the name when everything is
    there and right. Two processes may call this at once: one does the work, the other calls
    `on_wait` and waits. Raises DigestError when what was written is not what is pinned.
    """
    parent = folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    with _lock(folder, on_wait):
        if folder.is_dir() and not faults(folder, files):
            return
        for left_over in parent.glob(f".{folder.name}-*.partial"):
            shutil.rmtree(left_over, ignore_errors=True)  # of a process that was killed: we hold the lock
        partial = Path(tempfile.mkdtemp(dir=parent, prefix=f".{folder.name}-", suffix=".partial"))
        try:
            content = partial / "content"
            content.mkdir()
            write(content)
            if wrong := faults(content, files):
                raise DigestError(f"The weights for {folder.name!r} are not the pinned ones: {'; '.join(wrong)}.")
            if folder.exists():
                folder.rename(partial / "damaged")
            content.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def discard(folder: Path) -> None:
    """Remove a folder of the cache if it is there, so that it is never seen half removed."""
    if not folder.exists():
        return
    with _lock(folder, None):
        grave = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-", suffix=".partial"))
        with contextlib.suppress(FileNotFoundError):  # another process was first
            folder.rename(grave / "damaged")
        shutil.rmtree(grave, ignore_errors=True)
