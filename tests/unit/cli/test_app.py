import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from fewfit import __version__
from fewfit.cli.app import EXIT_CODES, app
from fewfit.cli.data import describe
from fewfit.data import FINDING_CODES, Dataset
from fewfit.errors import FewfitError
from fewfit.settings import settings_markdown
from tests.unit.cli.conftest import Run

DOCS = Path(__file__).parents[3] / "docs"


def _every_error() -> set[type[FewfitError]]:
    found = {FewfitError}
    while more := {child for known in found for child in known.__subclasses__()} - found:
        found |= more
    return found


def _commands(command: Any, path: str = "fewfit") -> dict[str, Any]:
    found = {path: command}
    for name, child in getattr(command, "commands", {}).items():
        found |= _commands(child, f"{path} {name}")
    return found


COMMANDS = _commands(get_command(app))


def test_every_exit_code_is_documented(run: Run) -> None:
    page = (DOCS / "cli.md").read_text()
    help_text = run("--help").stdout

    assert {error.exit_code for error in _every_error()} <= set(EXIT_CODES)
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in page
        assert f"{code}: " in help_text


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_flag_is_documented_and_has_help(path: str) -> None:
    page = (DOCS / "cli.md").read_text()
    if path == "fewfit":
        section = page
    else:
        assert f"\n## {path}\n" in page, f"docs/cli.md has no section {path!r}"
        section = page.split(f"\n## {path}\n")[1].split("\n## ")[0]

    assert COMMANDS[path].help
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, typer.core.TyperOption):
            assert parameter.help, parameter.name
            missing = [flag for flag in parameter.opts if f"`{flag}" not in section and flag not in ("-h", "--help")]
            assert not missing, f"docs/cli.md does not mention {missing} under {path!r}"


def test_no_flag_is_documented_that_there_is_not() -> None:
    page = (DOCS / "cli.md").read_text()
    flags = {
        flag
        for command in COMMANDS.values()
        for parameter in command.params
        for flag in (*parameter.opts, *parameter.secondary_opts)
    }

    assert set(re.findall(r"`(--?[a-z][a-z-]*)", page)) - flags == {"--help", "-h"} - flags


def test_the_settings_are_documented_as_they_are() -> None:
    assert settings_markdown().strip() in (DOCS / "cli.md").read_text()


def test_every_finding_is_documented() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", (DOCS / "data.md").read_text(), flags=re.MULTILINE)

    assert sorted(documented) == sorted(FINDING_CODES)


@pytest.mark.parametrize("path", COMMANDS)
def test_help_is_there_for_every_command(run: Run, path: str) -> None:
    ran = run(*path.split()[1:], "--help")

    assert ran.exit_code == 0
    assert "Usage" in ran.stdout


@pytest.mark.parametrize("command", [["--version"], ["--help"], ["train", "--help"], ["bases"], ["check", "nope.csv"]])
def test_the_end_of_whoever_reads_is_told_by_the_exit_code(command: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run([sys.executable, "-m", "fewfit", *command], stdout=writer, stderr=writer, check=False)
    finally:
        os.close(writer)
    assert ended.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize("command", ["--version", "--help"])
def test_no_space_for_an_answer_is_no_traceback(command: str) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "fewfit", command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no shell that closes its input")
def test_a_closed_standard_input_is_an_empty_one(model: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -m fewfit classify {shlex.quote(str(model))} <&-"
    ended = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "row,text,label,confidence\n")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("path", COMMANDS)
def test_no_name_is_cut_in_the_help_of_a_narrow_terminal(run: Run, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert "…" not in run(*path.split()[1:], "--help").stdout


def test_the_version(run: Run) -> None:
    assert run("--version").stdout == f"fewfit {__version__}\n"


def test_help_starts_fast_because_torch_and_its_friends_stay_out() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from fewfit.cli.app import app; import fewfit.cli;"
        "CliRunner().invoke(app, ['--help']); CliRunner().invoke(app, ['bases']);"
        "print([name for name in ('torch', 'transformers', 'sklearn', 'scipy', 'pandas', 'pyarrow', 'py3langid')"
        " if name in sys.modules])"
    )

    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("command", [["demo"], ["train", "data.csv", "-o", "model"]])
def test_a_plain_install_says_what_a_command_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("FEWFIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data.csv").write_text("text,label\n" + "late parcel,parcel\nlost card,card\n" * 20)
    script = (
        "import sys; sys.modules['sklearn'] = None; from fewfit.cli import main;"
        f"sys.argv = {['fewfit', *command]!r}; main()"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ran.returncode, "Traceback" in ran.stderr) == (6, False), ran.stderr
    assert 'pip install "fewfit[train]"' in ran.stderr
    assert not (tmp_path / "cache").exists()  # no base is fetched in vain


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_the_server_extra_alone_says_that_a_worker_needs_more(tmp_path: Path, command: str) -> None:
    # The server started, and started workers that died in a traceback, for ever.
    script = (
        "import sys; sys.modules['torch'] = None; from fewfit.cli import main;"
        f"sys.argv = ['fewfit', {command!r}, '--data', 'data']; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60
    )
    assert (ran.returncode, "Traceback" in ran.stderr) == (6, False), ran.stderr
    assert "torch is missing" in ran.stderr
    assert 'pip install "fewfit[server,train]"' in ran.stderr
    assert not (tmp_path / "data").exists()


def test_how_a_data_set_without_a_file_is_described() -> None:
    assert describe(Dataset((), "multi", "x")) == "x: 0 examples, multilabel; 0 labels."
