"""docs/migrate.md: every program in it runs as it is written, with the address and the key of this server."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.sdk import tickets
from tests.acceptance.sdk.packages import PACKAGES, command
from tests.acceptance.sdk.server import LiveServer

GUIDE = Path(__file__).parents[3] / "docs" / "migrate.md"
ADDRESS, KEY = "http://127.0.0.1:8000", "ff_your_key"


def program(heading: str, server: LiveServer) -> str:
    """The first program under a heading."""
    section = GUIDE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.search(r"```\w+\n(.*?)```", section, re.DOTALL)
    assert found, heading
    text = found[1]
    assert text.count(ADDRESS) == 1, "one line changes"
    return text.replace(ADDRESS, server.url).replace(KEY, server.key)


def run(arguments: list[str], folder: Path, **environ: str) -> str:
    (folder / "tickets.csv").write_bytes(tickets.as_csv(tickets.single()))
    (folder / "topics.jsonl").write_bytes(tickets.as_jsonl(tickets.multi()))
    done = subprocess.run(
        arguments, cwd=folder, env=os.environ | environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("heading", "package", "expected"),
    [
        ("Python, one label a text", "python5", ["billing", "delivery"]),
        ("Python, one label a text", "python7", ["billing", "delivery"]),
        ("Python, several labels a text", "python7", ["the refund for my card, and the courier is late"]),
        ("Python, async", "python7", ["billing"]),
        ("Python, by examples without training", "python5", ["delivery"]),
        ("Python, by examples without training", "python7", ["delivery"]),
    ],
)
def test_python_programs_run(
    server: LiveServer, tmp_path: Path, heading: str, package: str, expected: list[str]
) -> None:
    (tmp_path / "program.py").write_text(program(heading, server), encoding="utf-8")
    printed = run([command(PACKAGES[package])[0], "program.py"], tmp_path)
    for words in expected:
        assert words in printed


@pytest.mark.parametrize("package", ["node7", "node8"])
def test_the_node_program_runs(server: LiveServer, tmp_path: Path, package: str) -> None:
    (tmp_path / "program.cjs").write_text(program("Node", server), encoding="utf-8")
    node, _, folder = command(PACKAGES[package])
    assert run([node, "program.cjs"], tmp_path, NODE_PATH=f"{folder}/node_modules").strip() == "billing"


def test_the_curl_program_runs(server: LiveServer, tmp_path: Path) -> None:
    shell = shutil.which("sh")
    assert shell
    assert run([shell, "-c", program("curl", server)], tmp_path).strip() == "billing"
