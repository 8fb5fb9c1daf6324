import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.results import Result
from benchmarks.harness.tasks import EvaluationData

_DRINKS = {
    "tea": ["a cup of green tea", "tea with lemon", "black tea please", "herbal tea at night"],
    "coffee": ["a strong coffee", "coffee with milk", "black coffee please", "cold coffee to go"],
}
_STARS = {"low": ["awful", "bad taste"], "middle": ["it is fine", "so so"], "high": ["great", "very good"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small folder of tasks as the evaluation data has them: single, multilabel, ordered in two languages."""
    about: dict[str, dict[str, object]] = {
        "drinks": {"kind": "single", "ordinal": False, "labels": ["coffee", "tea"], "languages": ["en"]},
        "topics": {"kind": "multi", "ordinal": False, "labels": ["cold", "hot", "sweet"], "languages": ["en"]},
        "stars": {
            "kind": "single",
            "ordinal": True,
            "labels": ["low", "middle", "high"],
            "languages": ["de", "en"],
            "by_language": {},
        },
    }
    drinks = [{"text": text, "label": label} for label, texts in _DRINKS.items() for text in texts]
    topics = [
        {"text": "iced tea with sugar", "label": ["cold", "sweet"]},
        {"text": "hot chocolate", "label": ["hot", "sweet"]},
        {"text": "plain water", "label": []},
        {"text": "espresso", "label": ["hot"]},
    ]
    stars = [{"text": text, "label": label} for label, texts in _STARS.items() for text in texts]
    files: dict[str, list[dict[str, Any]]] = {
        "drinks/train": drinks,
        "drinks/test": drinks[1::2],
        "topics/train": topics,
        "topics/test": topics[:3],
        **{f"stars/{part}.{language}": stars for part in ("train", "test") for language in ("de", "en")},
    }
    samples = {
        "drinks": {seed: {"8": [0, 1, 4, 5], "16": [0, 1, 2, 4, 5, 6], "n40": [0, 4]} for seed in ("0", "1")},
        "topics": {"0": {"40": [0, 1, 2, 3]}},
        "stars": {"de": {"0": {"8": [0, 2, 4]}}, "en": {"0": {"8": [1, 3, 5], "16": [0, 1, 2, 3, 4, 5]}}},
    }
    data = tmp_path / "data"
    for name, rows in files.items():
        path = data / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (data / "tasks.json").write_text(json.dumps(about), encoding="utf-8")
    (data / "fewshot.json").write_text(json.dumps(samples), encoding="utf-8")
    return data


@pytest.fixture
def data(folder: Path) -> EvaluationData:
    return EvaluationData(folder)


def a_result(**changed: object) -> Result:
    """A result with plausible figures, some of them changed."""
    usual: dict[str, object] = {
        "trial": "drinks",
        "task": "drinks",
        "kind": "single",
        "train": ["en"],
        "test": ["en"],
        "size": "8",
        "seed": 0,
        "n_train": 16,
        "method": "fewfit",
        "settings": {},
        "base": "toy",
        "base_digest": "0123",
        "threads": 1,
        "tests": {"en": {"n": 100, "accuracy": 0.8, "macro_f1": 0.7, "log_loss": 0.5, "predict_s": 2.0}},
        "fit_s": 3.0,
        "fit_cpu_s": 2.5,
        "notes": {},
        "code": "c0de",
        "versions": {"python": "3.11"},
        "machine": {"cpu": "Toy", "cores": 2, "flags": ["avx2"], "memory_gib": 8.0},
        "load": 1.0,
        "at": "2026-01-02T03:04:05+00:00",
    }
    return Result(**(usual | changed))  # type: ignore[arg-type]
