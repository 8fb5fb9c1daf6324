"""Ctrl-C while the command line starts."""

import signal
import subprocess
import sys

import pytest

# As in a terminal, whatever these tests were started by.
_IN_A_TERMINAL = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def test_an_interrupt_while_the_commands_are_read_says_nothing() -> None:
    # The interrupt comes as the first command is imported.
    program = (
        "import os, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'fewfit.cli.train':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "import fewfit.cli\n"
    )
    ran = subprocess.run([sys.executable, "-c", _IN_A_TERMINAL + program], capture_output=True, text=True, check=False)
    assert ran.returncode == -signal.SIGINT
    assert ran.stderr == ""


@pytest.mark.parametrize("handler", ["signal.default_int_handler", "signal.SIG_IGN"])
def test_afterwards_interrupts_are_handled_as_before(handler: str) -> None:
    program = f"import signal; signal.signal(signal.SIGINT, {handler}); import fewfit.cli\n"
    subprocess.run([sys.executable, "-c", f"{program}assert signal.getsignal(signal.SIGINT) is {handler}"], check=True)


@pytest.mark.parametrize("moment", ["typer.main.get_command", "fewfit.cli.app.Commands.make_context"])
def test_an_interrupt_before_the_command_runs_says_nothing(moment: str) -> None:
    program = (
        "import os, sys, typer.main, fewfit.cli.app\n"
        "from fewfit.cli import main\n"
        "def interrupt(*args, **options):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        f"{moment} = interrupt\n"
        "sys.argv = ['fewfit', 'bases']\n"
        "main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", _IN_A_TERMINAL + program], capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    assert ran.returncode == -signal.SIGINT


def test_an_interrupt_in_a_command_is_told() -> None:
    program = (
        "import os, sys, fewfit.cli.bases\n"
        "from fewfit.cli import main\n"
        "fewfit.cli.bases.known_bases = lambda: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.argv = ['fewfit', 'bases']\n"
        "main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", _IN_A_TERMINAL + program], capture_output=True, text=True, check=False)
    assert ran.returncode == 130
    assert "Cancelled" in ran.stderr
    assert "Traceback" not in ran.stderr
