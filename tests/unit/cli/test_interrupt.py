"""Ctrl-C while the command line starts."""

import signal
import subprocess
import sys


def test_an_interrupt_while_the_commands_are_read_says_nothing() -> None:
    # The interrupt comes as the first command is imported.
    program = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'fewfit.cli.train':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "import fewfit.cli\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == -signal.SIGINT
    assert ran.stderr == ""


def test_afterwards_interrupts_are_handled_as_before() -> None:
    program = "import signal, fewfit.cli; assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    subprocess.run([sys.executable, "-c", program], check=True)
