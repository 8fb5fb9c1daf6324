"""A model, a file or a base that is not there ends a command with 2 and a message."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks import labels, many_models, promises, rejection, suspects


@pytest.mark.parametrize("main", [labels.main, many_models.main])
def test_a_model_that_is_not_there_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], main: Callable[[Sequence[str]], int]
) -> None:
    assert main(["--model", str(tmp_path / "nowhere"), "--texts", "texts.txt", "--out", str(tmp_path / "r.jsonl")]) == 2
    told = capfd.readouterr().err
    assert "nowhere is not a folder" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("main", [promises.main, rejection.main, suspects.main])
def test_a_base_that_is_not_there_is_named(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], main: Callable[[Sequence[str]], int]
) -> None:
    given = ["--data", str(folder), "--tasks", "drinks", "--base", "no such base", "--out", str(tmp_path / "r.jsonl")]
    assert main(given) == 2
    assert "no base 'no such base'" in capfd.readouterr().err
