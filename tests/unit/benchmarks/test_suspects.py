import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import suspects
from benchmarks.harness.tasks import Row


def _rows(n: int, n_labels: int) -> list[Row]:
    return [Row(f"text {number}", (f"label {number % n_labels:02}",)) for number in range(n)]


def test_rows_are_drawn_by_seed_and_of_few_labels() -> None:
    pool = _rows(400, 20)
    drawn = suspects.drawn(pool, 100, seed=1)
    assert len({row.text for row in drawn}) == 100
    assert len({row.labels for row in drawn}) == suspects.MOST_LABELS
    assert drawn == suspects.drawn(pool, 100, seed=1)
    assert drawn != suspects.drawn(pool, 100, seed=2)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1])
def test_so_many_labels_are_made_wrong(share: float) -> None:
    labels = [row.labels[0] for row in _rows(200, 3)]
    changed, wrong = suspects.flipped(labels, share, seed=0)
    assert wrong.sum() == round(share * 200)
    assert [a != b for a, b in zip(labels, changed, strict=True)] == wrong.tolist()
    assert set(changed) == set(labels)


def test_what_is_found_at_the_top_is_counted() -> None:
    wrong = np.zeros(40, dtype=bool)
    wrong[[3, 7, 30, 31]] = True
    ranked = np.array([3, 30, 0, 1, 2, 4, *(n for n in range(40) if n not in (3, 30, 0, 1, 2, 4))])
    assert suspects.found_at_top(ranked, wrong, top=0.15) == 0.5
    assert suspects.found_at_top(ranked, wrong, top=1.0) == 1.0


def test_a_command_without_data_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert suspects.main([]) == 2
    assert "--data" in capsys.readouterr().err


def test_tables_have_means_over_tasks(tmp_path: Path) -> None:
    about = {"base": "english-small", "rows": 250, "share": 0.1, "method": "heads", "flagged_found": 0.5}
    about |= {"flagged_wrong": 0.25}
    rows = [about | {"task": task, "seed": seed, "found": found} for task, seed, found in
            (("trec", 0, 0.8), ("trec", 1, 0.6), ("sms", 0, 0.9))]  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = "\n".join(suspects.report(suspects.read(path)))
    assert "| trec | 70.0 ± 14.1 |" in text
    assert "| mean of tasks | 80.0 |" in text
    assert "| mean of tasks | 50.0 / 25.0 |" in text


def test_labels_are_made_wrong_ranked_and_kept_once(folder: Path, toy_base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    arguments = ["--data", str(folder), "--tasks", "drinks", "--seeds", "0", "--rows", "8", "--shares", "0.25",
                 "--methods", "heads,training", "--base", str(toy_base), "--out", str(out)]  # fmt: skip
    assert suspects.main(arguments) == 0
    rows = suspects.read(out)
    assert [row["method"] for row in rows] == ["heads", "training"]
    assert 0 <= rows[0]["found"] <= 1
    assert 0 <= rows[1]["accuracy"] <= 1
    assert suspects.main(arguments) == 0
    assert suspects.read(out) == rows
