"""What the browser tests need beside Python packages: a Chromium, and axe-core, which looks for obstacles.

`python -m tests.acceptance.browser.packages` fetches both ahead of the tests, as `make browser` does.
"""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from filelock import FileLock

AXE = "4.14.1"
PLACE = Path(__file__).parent / ".packages"
_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No word goes out, and none comes in: the browser talks to our server alone.
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


def chromium() -> str:
    """The path of a Chromium. FEWFIT_TEST_CHROMIUM names another one than that on the PATH."""
    named = os.environ.get("FEWFIT_TEST_CHROMIUM", "")
    found = named or next(filter(None, map(shutil.which, _CHROMIUMS)), None)
    if not found:
        raise RuntimeError("The browser tests need Chromium. Run 'make browser', or set FEWFIT_TEST_CHROMIUM.")
    return found


@cache
def axe_script() -> str:
    """The script of axe-core; installed from npm where it is not there."""
    folder = PLACE / f"axe-core-{AXE}"
    PLACE.mkdir(exist_ok=True)
    with FileLock(PLACE / f"{folder.name}.lock"):
        if not (folder / "installed").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / "package.json").write_text(json.dumps({"name": "fewfit-browser-tests", "private": True}))
            npm = shutil.which("npm")
            if npm is None:
                raise RuntimeError("npm is needed to install axe-core and is not on the PATH. Install Node.js 18.")
            install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", f"axe-core@{AXE}"]
            subprocess.run(install, cwd=folder, check=True)
            (folder / "installed").touch()
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def _install_chromium() -> None:
    """Debian's package, where there is none yet and we may install one."""
    try:
        chromium()
    except RuntimeError:
        apt = shutil.which("apt-get")
        if apt is None or os.geteuid() != 0:
            raise
        environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run([apt, "update", "-qq"], check=True, env=environ)
        subprocess.run([apt, "install", "-y", "-qq", "chromium", "fonts-dejavu-core"], check=True, env=environ)


if __name__ == "__main__":
    _install_chromium()
    print(f"chromium: {chromium()}", file=sys.stderr)
    print(f"axe-core {AXE}: {len(axe_script()):,} characters", file=sys.stderr)
