import json
from pathlib import Path

import pytest

from benchmarks import promises


def _interval(sample: int, truth: float) -> dict[str, object]:
    return {"kind": "interval", "task": "trec", "n_texts": 48, "sample": sample, "folds": 2, "figure": "accuracy",
            "low": 0.5, "at": 0.6, "high": 0.7, "truth": truth}  # fmt: skip


def test_the_tables_count_what_is_inside_below_and_above() -> None:
    rows = [_interval(number, truth) for number, truth in enumerate((0.4, 0.55, 0.65, 0.8))]
    curve = {"kind": "curve", "task": "trec", "n_texts": 40, "sample": 0, "promised": 0.02, "low": 0.01, "high": 0.03}
    text = "\n".join(promises.report([*rows, curve | {"gain": 0.03, "now": 0.6, "truth": 0.6}]))
    assert "| 48 examples, 2 folds, accuracy | 50 | 25 | 25 | 20 | +0.0 |" in text
    assert "| 40 examples | 2.0 | 3.0 | 1.0 | 100 |" in text


def test_a_command_without_data_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert promises.main([]) == 2
    assert "--data" in capsys.readouterr().err


def test_promises_are_measured_once(folder: Path, toy_base: Path, tmp_path: Path) -> None:
    words = {"tea": "tea leaf green cup", "coffee": "coffee bean black mug"}
    rows = [{"text": f"{words[label]} {number}", "label": label} for number in range(130) for label in words]
    (folder / "drinks" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "out.jsonl"
    arguments = ["--data", str(folder), "--tasks", "drinks", "--samples", "1", "--base", str(toy_base),
                 "--out", str(out)]  # fmt: skip
    assert promises.main(arguments) == 0
    found = out.read_text()
    kinds = {json.loads(line)["kind"] for line in found.splitlines()}
    assert kinds == {"interval", "curve"}
    assert promises.main(arguments) == 0
    assert out.read_text() == found
