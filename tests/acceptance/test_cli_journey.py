"""A person at a terminal, from a file to answers, with pipes, Ctrl-C and a reader that goes away."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fewfit.testing import write_toy_base

PLACES = ("kitchen", "garden", "office", "station", "harbour", "market", "school", "museum", "airport", "theatre")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


def fewfit(
    *arguments: str | Path, stdin: bytes = b"", folder: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "fewfit", *map(str, arguments)]
    return subprocess.run(
        command, input=stdin, capture_output=True, check=False, timeout=300, env=ENVIRONMENT, cwd=folder
    )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base, tickets to train on, others to test with, and a model."""
    folder = tmp_path_factory.mktemp("desk")
    write_toy_base(folder / "base")
    for name, places in (("train", PLACES[:8]), ("test", PLACES[8:])):
        rows = [(f"the parcel is still in the {place}, part {n}", "delivery") for place in places for n in range(3)]
        rows += [(f"my card was charged at the {place}, line\n{n}", "billing") for place in places for n in range(3)]
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
    ran = fewfit("train", "train.csv", "-o", "model", "--base", "base/", "--eval", "test.csv", folder=folder)
    assert ran.returncode == 0, ran.stderr.decode()
    assert b"On 12 texts not trained on" in ran.stdout
    assert b"48 examples" in ran.stderr
    return folder


def test_from_a_file_to_answers(desk: Path) -> None:
    checked = fewfit("check", "train.csv", "--base", "base/", "--json", folder=desk)
    assert json.loads(checked.stdout)["ok"] is True

    (desk / "new.txt").write_text("where is the parcel\nwho charged my card, and why\n")
    answered = fewfit("classify", "model", "new.txt", folder=desk)
    assert answered.returncode == 0
    rows = list(csv.DictReader(io.StringIO(answered.stdout.decode())))
    assert [row["text"] for row in rows] == ["where is the parcel", "who charged my card, and why"]

    piped = fewfit("classify", "model", "--format", "jsonl", stdin=(desk / "new.txt").read_bytes(), folder=desk)
    assert [json.loads(line)["label"] for line in piped.stdout.splitlines()] == [row["label"] for row in rows]

    evaluated = fewfit("evaluate", "model", "test.csv", "--json", folder=desk)
    assert json.loads(evaluated.stdout)["n_texts"] == 12

    about = fewfit("info", "model", "--json", folder=desk)
    assert json.loads(about.stdout)["metrics"]["evaluation"]["n_texts"] == 12


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    assert process.stdout is not None
    yield from iter(process.stdout.readline, b"")


def test_answers_come_while_texts_are_still_coming(desk: Path) -> None:
    command = [sys.executable, "-m", "fewfit", "classify", "model", "-f", "jsonl", "--batch-size", "1"]
    with subprocess.Popen(command, cwd=desk, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        lines = _lines(process)
        for text in ("where is the parcel", "who charged my card"):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
            assert json.loads(next(lines))["text"] == text
        process.stdin.close()
        assert list(lines) == []
    assert process.returncode == 0


def test_a_reader_that_goes_away_is_no_error_message(desk: Path) -> None:
    command = [sys.executable, "-m", "fewfit", "classify", "model", "--batch-size", "1"]
    texts = b"where is the parcel\n" * 500
    with subprocess.Popen(
        command, cwd=desk, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(texts)
        process.stdout.readline()
        process.stdout.close()
        process.stdin.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="signals work differently there")
def _hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_leaves_no_half_written_model(desk: Path) -> None:
    command = [sys.executable, "-m", "fewfit", "train", "train.csv", "-o", "stopped", "--base", "base/",
               "--effort", "thorough"]  # fmt: skip
    before = sorted(path.name for path in desk.iterdir())
    with subprocess.Popen(
        command,
        cwd=desk,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell that runs the tests in the background hands down an ignored SIGINT; a terminal does not.
        preexec_fn=_hear_ctrl_c,
    ) as process:
        assert process.stderr is not None
        for line in iter(process.stderr.readline, b""):
            if b"Tuning" in line or b"held-out" in line:
                break
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().decode()
    assert process.returncode == 130, said
    assert "Cancelled; nothing was written." in said
    assert "Traceback" not in said
    assert sorted(path.name for path in desk.iterdir()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="shells close streams differently there")
def test_a_closed_output_is_no_traceback(desk: Path) -> None:
    command = [sys.executable, "-m", "fewfit", "info", "model"]
    ran = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *command], cwd=desk, env=ENVIRONMENT, capture_output=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
