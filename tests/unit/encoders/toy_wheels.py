"""Published wheels in small: pip downloads them from a folder, fewfit reads them as zip files."""

import io
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from fewfit.encoders.bases import Base, OfflinePackage, Wheel

INSIDE = "toy-base/"


def make_wheel(shelf: Path, package: str, files: dict[str, bytes], tag: str = "py3-none-any") -> Wheel:
    """Write a wheel that pip accepts onto the shelf."""
    stem = package.replace("-", "_")
    info = f"{stem}-1.0.dist-info"
    shelf.mkdir(exist_ok=True)
    path = shelf / f"{stem}-1.0-{tag}.whl"
    described = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\nRequires-Python: <3.14\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (files | described).items():
            # Without a fixed time the same wheel would have another hash two seconds later.
            archive.writestr(zipfile.ZipInfo(name), content)
    return Wheel(package, "1.0", sha256(path.read_bytes()).hexdigest())


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def toy_base_in_a_wheel(folder: Path, shelf: Path, name: str = "toy") -> Base:
    """A base whose files are `folder` and whose package is one wheel on the shelf."""
    files = files_of(folder)
    wheel = make_wheel(shelf, "toy-weights", {INSIDE + path: content for path, content in files.items()})
    return Base(
        name=name,
        summary="a toy",
        languages="none",
        n_layers=4,
        hidden_size=32,
        tail_layers=2,
        files={path: sha256(content).hexdigest() for path, content in files.items()},
        size_mb=1,
        package=OfflinePackage((wheel,), "folder", INSIDE, download_mb=1),
    )


def toy_base_in_parts(folder: Path, shelf: Path, n_parts: int = 3) -> Base:
    """The same, as a zip cut into parts, one a wheel."""
    base = toy_base_in_a_wheel(folder, shelf)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for path, content in files_of(folder).items():
            archive.writestr(INSIDE + path, content)
    content = whole.getvalue()
    size = len(content) // n_parts + 1
    wheels = tuple(
        make_wheel(
            shelf,
            f"toy-part-{number}",
            {"part/__init__.py": b"", f"part/toy.zip.00{number}": content[number * size : (number + 1) * size]},
            tag="py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64",
        )
        for number in range(n_parts)
    )
    return replace(base, package=OfflinePackage(wheels, "split-zip", INSIDE, download_mb=1))
