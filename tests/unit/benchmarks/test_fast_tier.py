"""The benchmarks of the fast tier and of many labels, on a toy base."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import fast_tier, labels
from fewfit.artifact import write_artifact
from tests.unit.serving.models import TEXTS, ToyModel
from tests.unit.test_distilling import texts


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with one task: 460 rows to train on and learn from, 60 to test on."""
    folder = tmp_path / "data"
    (folder / "toy").mkdir(parents=True)
    for part, n_rows, seed in (("train", 460, 1), ("test", 60, 2)):
        rows = [{"text": text, "label": label} for text, label in zip(*texts(n_rows, seed), strict=True)]
        (folder / "toy" / f"{part}.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    about = {"kind": "single", "ordinal": False, "labels": ["card", "film", "parcel"], "languages": ["en"]}
    (folder / "tasks.json").write_text(json.dumps({"toy": about}), encoding="utf-8")
    (folder / "fewshot.json").write_text(json.dumps({"toy": {"0": {"16": list(range(48))}}}), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_a_tier_is_measured_on_rows_that_it_has_not_seen(
    data: Path, toy_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_tier, "_ROOT", tmp_path)
    monkeypatch.setattr(fast_tier, "revision", lambda _: "r")
    out = tmp_path / "rows.jsonl"
    given = ["--data", data, "--tasks", "toy", "--size", "16", "--base", toy_base, "--effort", "quick"]
    given += ["--promises", "0.001,0.3", "--repetitions", "1", "--threads", "1", "--out", out]
    assert fast_tier.main([str(word) for word in given]) == 0
    strict, lenient = (json.loads(line) for line in out.read_text(encoding="utf-8").splitlines())
    # 400 texts cannot promise a thousandth.
    assert not strict["report"]["enabled"]
    assert strict["answered"] == strict["changed"] == 0
    assert strict["accuracy"] == strict["fast_accuracy"]
    assert lenient["report"]["n_texts"] <= 412
    assert lenient["answered"] > 0
    assert abs(lenient["accuracy"] - lenient["fast_accuracy"]) <= lenient["changed"] + 1e-9
    table = out.with_suffix(".md").read_text(encoding="utf-8")
    assert "| off |" in table.replace("  ", " ")


@pytest.mark.slow
def test_many_labels_are_compared_with_many_models(toy_base: Path, tmp_path: Path) -> None:
    toy = ToyModel(toy_base)
    write_artifact(tmp_path / "model", toy.artifact)
    (tmp_path / "texts.txt").write_text("\n".join(text for text in TEXTS if text.strip()), encoding="utf-8")
    out = tmp_path / "rows.jsonl"
    given = ["--model", tmp_path / "model", "--texts", tmp_path / "texts.txt", "--labels", "4"]
    assert labels.main([str(word) for word in [*given, "--repetitions", "2", "--out", out]]) == 0
    row = json.loads(out.read_text(encoding="utf-8"))
    assert {name: len(rates) for name, rates in row["texts_per_s"].items()} == {"single": 2, "multi": 2, "binary": 2}
    assert np.median(row["texts_per_s"]["multi"]) > np.median(row["texts_per_s"]["binary"])
    assert "4 binary models, one after another" in out.with_suffix(".md").read_text(encoding="utf-8")
