import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.test_distilling import texts


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(texts(400)[0]) + "\n", encoding="utf-8")
    return path


def test_a_fast_tier_is_made_and_used(run: Run, model: Path, unlabelled: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    ran = run("distil", model, unlabelled, "-o", made, "--max-disagreement", "0.4", "--json")

    assert ran.exit_code == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert report["enabled"], report["reason"]
    assert report["n_texts"] <= 400
    full, fast = run("classify", made, unlabelled), run("classify", made, unlabelled, "--fast")
    assert fast.exit_code == 0
    assert fast.stderr == ""
    assert len(fast.stdout.splitlines()) == len(full.stdout.splitlines())
    assert fast.stdout != full.stdout
    assert "It answers" in run("info", made).stdout


def test_what_came_of_it_is_shown_as_a_curve(run: Run, model: Path, unlabelled: Path, tmp_path: Path) -> None:
    ran = run("distil", model, unlabelled, "-o", tmp_path / "made", "--max-disagreement", "0.4")

    assert ran.exit_code == 0, ran.stderr
    for words in ("answered by it", "upper bound", "texts/s together", "chosen"):
        assert words in ran.stdout
    assert "The fast tier is on." in ran.stderr


def test_without_a_tier_fast_says_so_and_answers_in_full(run: Run, model: Path, unlabelled: Path) -> None:
    fast = run("classify", model, unlabelled, "--fast")

    assert fast.exit_code == 0
    assert "has no fast tier" in fast.stderr
    assert fast.stdout == run("classify", model, unlabelled).stdout


def test_fast_and_thresholds_do_not_go_together(run: Run, model: Path, unlabelled: Path) -> None:
    assert run("classify", model, unlabelled, "--fast", "--threshold", "0.5").exit_code == 2


@pytest.mark.parametrize("share", ["2", "0", "nan"])
def test_a_share_that_is_none_is_refused_first(run: Run, tmp_path: Path, share: str) -> None:
    ran = run("distil", tmp_path / "nothing", tmp_path / "nothing.txt", "--max-disagreement", share)

    assert ran.exit_code == 2
    assert f"--max-disagreement is {share}; expected a share between 0 and 1" in ran.said


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_taught(
    run: Run, model: Path, unlabelled: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    ran = run("distil", model, unlabelled, "-o", tmp_path / "file" / "made", "--max-disagreement", "0.4")

    assert ran.exit_code == 5
    assert "cannot be made" in ran.stderr
    assert "Teaching" not in ran.stderr


def test_too_few_texts(run: Run, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "few.txt"
    path.write_text("one text\nanother one\n", encoding="utf-8")

    ran = run("distil", model, path)

    assert ran.exit_code == 3
    assert "at least 300" in ran.stderr


def test_rows_that_are_left_out_and_empty_files_are_told(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"a film\nbad \xe9 byte\n")
    (tmp_path / "e.txt").touch()

    skipped, empty = (
        run("distil", model, tmp_path / "bad.txt", "--skip-malformed"),
        run("distil", model, tmp_path / "e.txt"),
    )

    assert "warning: bad.txt: 1 row is not valid UTF-8; skipped: row 2" in skipped.stderr
    assert empty.exit_code == 3
    assert "e.txt: The file is empty." in empty.stderr
