"""Files that are written whole or not at all, and who may read them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fewfit.data.whole import whole_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def write(path: Path) -> int:
    """The mode of a file that was written."""
    with whole_file(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    return path.stat().st_mode & 0o7777


def write_half(path: Path) -> None:
    with whole_file(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt


@pytest.mark.parametrize("value", [0o022, 0o002, 0o077, 0o000])
def test_a_new_file_has_the_mode_that_open_gives(tmp_path: Path, value: int) -> None:
    with umask(value):
        (tmp_path / "opened").write_bytes(b"")
        assert write(tmp_path / "new") == (tmp_path / "opened").stat().st_mode & 0o7777 == 0o666 & ~value


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"old")
    path.chmod(mode)
    with umask(0o027):
        assert write(path) == mode


def test_nobody_else_can_read_what_is_being_written_in_place_of_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.touch(0o600)
    with umask(0), whole_file(path) as file:
        assert os.fstat(file.fileno()).st_mode & 0o777 == 0o600


def test_after_an_error_nothing_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
