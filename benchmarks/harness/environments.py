"""A virtual environment of its own for each peer, made when it is first needed."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

from filelock import FileLock

from benchmarks.harness.errors import BenchmarkError
from benchmarks.harness.methods import PEERS, ROOT

FOLDER = ROOT / "benchmarks" / ".venvs"
# A comment in a requirements file that names packages to take away again after installing.
_WITHOUT = "# without: "


def python_for(requirements: str | None) -> Path:
    """The Python that has the packages of a requirements file in `benchmarks/peers/` (None: our own).

    The environment is made or renewed where it is not there or the file has changed; several commands
    may ask at once. Raises BenchmarkError with pip's last words where that fails.
    """
    if requirements is None:
        return Path(sys.executable)
    source = PEERS / requirements
    folder = FOLDER / source.stem
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = folder / "installed.sha256"
    wanted = hashlib.sha256(source.read_bytes()).hexdigest()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with FileLock(str(folder) + ".lock"):
        if python.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
            return python
        print(f"Making the environment {folder} from {source.name} (once, some minutes) ...", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(source)]
        done = subprocess.run(pip, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchmarkError(
                f"The environment for {source.name} could not be made; pip said:\n"
                + "\n".join((done.stdout + done.stderr).splitlines()[-8:])
            )
        for line in source.read_text(encoding="utf-8").splitlines():
            if line.startswith(_WITHOUT):
                remove = [
                    str(python),
                    "-m",
                    "pip",
                    "uninstall",
                    "--quiet",
                    "--yes",
                    *line.removeprefix(_WITHOUT).split(),
                ]
                subprocess.run(remove, check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return python
