"""The real SDK packages that the suite drives, each in a place of its own, installed once.

Two versions of one package cannot share an environment, and neither belongs into ours. Run
`python -m tests.acceptance.sdk.packages` to install them ahead of the tests, as `make test` does.
"""

import json
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

HERE = Path(__file__).parent
PLACE = HERE / ".packages"


@dataclass(frozen=True)
class Package:
    """One version of an SDK."""

    language: str
    name: str
    version: str

    @property
    def folder(self) -> Path:
        return PLACE / f"{self.name}-{self.version}"


PACKAGES = {
    "python5": Package("python", "cohere", "5.21.1"),
    "python7": Package("python", "cohere", "7.3.1"),
    "node7": Package("node", "cohere-ai", "7.21.0"),
    "node8": Package("node", "cohere-ai", "8.1.0"),
}


def command(package: Package) -> list[str]:
    """The command that starts the package's bridge; installs the package first where it is not there."""
    PLACE.mkdir(exist_ok=True)
    with FileLock(PLACE / f"{package.folder.name}.lock"):
        if not (package.folder / "installed").exists():
            shutil.rmtree(package.folder, ignore_errors=True)
            _install_python(package) if package.language == "python" else _install_node(package)
            (package.folder / "installed").touch()
    if package.language == "python":
        return [str(package.folder / "bin" / "python"), str(HERE / "drivers" / "python_bridge.py")]
    return [_need("node"), str(HERE / "drivers" / "node_bridge.cjs"), str(package.folder)]


def python(package: Package) -> str:
    """The interpreter of a Python package's environment."""
    return command(package)[0]


def _install_python(package: Package) -> None:
    venv.create(package.folder, with_pip=True)
    pip = [str(package.folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"{package.name}=={package.version}"], check=True)


def _install_node(package: Package) -> None:
    package.folder.mkdir()
    (package.folder / "package.json").write_text(json.dumps({"name": "fewfit-sdk-tests", "private": True}))
    npm = [_need("npm"), "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
    subprocess.run([*npm, f"{package.name}@{package.version}"], cwd=package.folder, check=True)


def _need(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise RuntimeError(
            f"{program} is needed to test the Node SDK and is not on the PATH. Install Node.js 18 or newer."
        )
    return found


if __name__ == "__main__":
    for one in PACKAGES.values():
        print(f"{one.name} {one.version}: {command(one)[0]}", file=sys.stderr)
