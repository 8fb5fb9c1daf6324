from argparse import ArgumentTypeError
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import fast_tier, load, speed, suspects
from benchmarks.harness.options import counts, pairs, shares, some_of


def test_lists_are_read() -> None:
    assert counts("1,8,96") == [1, 8, 96]
    assert shares("0.01,0.5") == [0.01, 0.5]
    assert pairs("1x1,64x8") == [(1, 1), (64, 8)]
    assert pairs("") == []
    assert some_of(["a", "b"])("b,a") == ["b", "a"]
    assert some_of(["a", "b"])("") == []


@pytest.mark.parametrize("text", ["", "x", "0", "1,-8", "1.5"])
def test_what_is_no_count_is_named(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not understood; expected whole numbers from 1 on"):
        counts(text)


@pytest.mark.parametrize("text", ["8", "8x", "x8", "8x0", "8x1x1"])
def test_what_is_no_pair_is_named(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"'{text}' is not understood"):
        pairs(text)


@pytest.mark.parametrize("text", ["", "x", "1.5", "nan", "0.1,-1"])
def test_what_is_no_share_is_named(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not understood; expected numbers from 0 to 1"):
        shares(text)


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        (suspects, ["--data", ".", "--methods", "head"], "there is no 'head'; there are: heads, thorough, training"),
        (suspects, ["--data", ".", "--shares", "x"], "--shares: 'x' is not understood"),
        (speed, ["--data", ".", "--variants", "setfi"], "there is no 'setfi'"),
        (load, ["--peers", "setfi"], "there is no 'setfi'"),
        (load, ["--beside", "8"], "--beside: '8' is not understood"),
        (fast_tier, ["--data", ".", "--promises", "x"], "--promises: 'x' is not understood"),
    ],
)
def test_a_list_that_is_wrong_ends_a_command_at_once(
    capsys: pytest.CaptureFixture[str], command: ModuleType, arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("wrk", "said"), [(None, "wrk is not installed"), ("/bin/wrk", "no tasks.json in ")])
def test_the_load_test_says_what_it_lacks_before_it_measures(
    tmp_path: Path,
    toy_base: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    wrk: str | None,
    said: str,
) -> None:
    monkeypatch.setattr(
        "benchmarks.harness.fewfit_server.FewfitServer.trained", lambda *_: pytest.fail("a server was started")
    )
    monkeypatch.setattr(load, "_cores", lambda _: (frozenset([0]), frozenset([1])))
    monkeypatch.setattr("shutil.which", lambda _: wrk)
    arguments = ["--data", str(tmp_path / "nowhere"), "--base", str(toy_base)]
    assert load.main([*arguments, "--out", str(tmp_path / "out.jsonl")]) == 2
    assert said in capsys.readouterr().err


def test_the_mixtures_of_the_speed_test_are_looked_for_before_it_trains(
    folder: Path, tmp_path: Path, toy_base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "_trained", lambda *_: pytest.fail("a model was trained"))
    arguments = ["--data", str(folder), "--task", "drinks", "--mixtures", "nosuch", "--base", str(toy_base)]
    assert speed.main([*arguments, "--out", str(tmp_path / "out.jsonl")]) == 2
    assert "no task 'nosuch'" in capsys.readouterr().err


def test_there_is_no_table_of_no_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "none.jsonl"
    assert load.main(["--table-only", "--out", str(out)]) == 2
    assert f"no results in {out}" in capsys.readouterr().err
