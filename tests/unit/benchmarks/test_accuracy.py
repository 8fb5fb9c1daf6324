import sys
from pathlib import Path

import pytest

from benchmarks.accuracy import main
from benchmarks.harness.results import Results
from tests.unit.benchmarks.conftest import a_result


@pytest.fixture
def base(toy_base: Path) -> str:
    return str(toy_base)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--data FOLDER is needed"),
        (["--table-only"], "no results in"),
        (["--data", "nowhere"], "no tasks.json in nowhere"),
        (["--data", "DATA", "--tasks", "beer"], "no task 'beer'"),
        (["--data", "DATA", "--tasks", "drinks", "--methods", "bert"], "no method 'bert'"),
        (["--data", "DATA", "--tasks", "drinks", "--sizes", "64", "--methods", "tfidf"], "Nothing can be measured"),
        (["--data", "DATA", "--tasks", "drinks", "--seeds", "a-b"], "--seeds 'a-b' is not understood"),
        (["--data", "DATA", "--tasks", "drinks", "--seeds", "4-0"], "names no seed"),
        (["--data", "DATA", "--tasks", "drinks", "--base", "no such base"], "no base 'no such base'"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_message(
    folder: Path, tmp_path: Path, base: str, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    given = [str(folder) if argument == "DATA" else argument for argument in arguments]
    assert main(["--base", base, "--out", str(tmp_path / "r.jsonl"), *given]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert not (tmp_path / "r.jsonl").exists()
    assert not (tmp_path / "r.md").exists()


def test_a_dry_run_lists_what_is_missing(
    folder: Path, tmp_path: Path, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--data", str(folder), "--base", base, "--out", str(tmp_path / "r.jsonl"), "--dry-run"]
    assert main([*command, "--tasks", "drinks", "--sizes", "8", "--seeds", "0,1", "--methods", "tfidf"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == ["drinks, size 8, seed 0, tfidf", "drinks, size 8, seed 1, tfidf"]
    assert "2 measurements, 0 of them there" in captured.err


def test_the_table_can_be_written_without_the_data(tmp_path: Path) -> None:
    Results(tmp_path / "r.jsonl").add(a_result())
    assert main(["--table-only", "--out", str(tmp_path / "r.jsonl")]) == 0
    assert "| drinks | 8 | 1 | 80.0 |" in (tmp_path / "r.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_second_command_has_nothing_left_to_do(
    folder: Path, tmp_path: Path, base: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.harness.worker.LOGS", tmp_path / "logs")
    monkeypatch.setattr("benchmarks.harness.worker.python_for", lambda requirements: sys.executable)
    command = [
        "--data", str(folder), "--base", base, "--out", str(tmp_path / "r.jsonl"), "--tasks", "drinks,topics",
        "--sizes", "16,40", "--seeds", "0", "--methods", "tfidf:C=2", "--threads", "1",
    ]  # fmt: skip
    assert main(command) == 0
    single, multi = Results(tmp_path / "r.jsonl").rows
    assert (single.method, single.settings, single.size, single.n_train) == ("tfidf", {"C": 2}, "16", 6)
    assert (multi.kind, multi.size, multi.n_train) == ("multi", "40", 4)
    assert "| drinks | 16 | 1 |" in (tmp_path / "r.md").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(command) == 0
    assert "2 measurements, 2 of them there" in capsys.readouterr().err
    assert len(Results(tmp_path / "r.jsonl").rows) == 2
    assert main([*command, "--again", "--dry-run"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_failed_measurement_ends_with_1(
    folder: Path, tmp_path: Path, base: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.accuracy.Runner.run", lambda self, steps: [f"{step}: no luck" for step in steps])
    command = ["--data", str(folder), "--base", base, "--out", str(tmp_path / "r.jsonl"), "--tasks", "drinks"]
    assert main([*command, "--sizes", "16", "--seeds", "0", "--methods", "tfidf"]) == 1
    told = capsys.readouterr().err
    assert "1 measurements failed:\n  drinks, size 16, seed 0, tfidf: no luck" in told
