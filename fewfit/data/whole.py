"""Files that are written whole or not at all."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

# On Windows a file is text unless this says otherwise; elsewhere there is no such flag.
_BINARY: int = getattr(os, "O_BINARY", 0)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes its place at `path` when all is written; after an error nothing has changed.

    Whoever could read the file that it replaces can read it, and of a new one, whoever `open` would let.
    Raises OSError where no file can be made there.
    """
    mode = _mode(path)
    # Not mkstemp: its files are for their owner only, and the umask cannot be read without changing it for a moment.
    temporary = path.with_name(f".{path.name}.{secrets.token_urlsafe(6)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
    handle = os.open(temporary, flags, 0o666 if mode is None else mode)
    try:
        with os.fdopen(handle, "wb") as file:
            if mode is not None and _mode(temporary) != mode:
                temporary.chmod(mode)
            yield file
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _mode(path: Path) -> int | None:
    """Who may read and write a file; None where there is none."""
    try:
        return stat.S_IMODE(path.stat().st_mode) & 0o777
    except FileNotFoundError:
        return None
