"""Measures what many labels cost: one multilabel model with 20 labels beside one label a text, and 20 models.

Run as `python benchmarks/labels.py --model FOLDER --texts FILE`; see benchmarks/README.md.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
if str(_ROOT) not in sys.path:  # run as a file, Python looks in benchmarks/ only
    sys.path.insert(0, str(_ROOT))

import numpy as np  # noqa: E402

from benchmarks.harness.answering import summary  # noqa: E402
from benchmarks.harness.errors import told  # noqa: E402
from benchmarks.harness.machine import load_average, revision, this_machine  # noqa: E402
from benchmarks.harness.markdown import table  # noqa: E402
from fewfit.artifact import Artifact, read_artifact  # noqa: E402
from fewfit.data import read_texts  # noqa: E402
from fewfit.decision import Calibration, Decision, Head  # noqa: E402
from fewfit.serving import Engine  # noqa: E402
from fewfit.serving.served import ModelLoader  # noqa: E402

RESULTS = _ROOT / "benchmarks" / "results" / "labels.jsonl"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the variants take turns, repetition by repetition."""
    options = _parser().parse_args(arguments)
    return told("labels.py", lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    row = measure(options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    options.out.with_suffix(".md").write_text("\n".join(report(row)) + "\n", encoding="utf-8")
    print("\n".join(report(row)))
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Texts a second of each variant. How fast they are does not depend on what the heads say: they are random."""
    artifact = read_artifact(options.model)
    texts = [row.text for row in read_texts(options.texts)][: options.n_texts]
    loader = ModelLoader()
    single = loader.load(artifact)
    multi = loader.load(_with_labels(artifact, options.labels, 0))
    # A binary model of its own for each label: another tail, another head.
    rng = np.random.default_rng(0)
    binary = []
    for label in range(options.labels):
        tail = {name: array * np.float32(1 + 1e-4 * rng.normal()) for name, array in artifact.tail.items()}
        binary.append(loader.load(_with_labels(replace(artifact, tail=tail), 1, label)))
    rates: dict[str, list[float]] = {"single": [], "multi": [], "binary": []}
    with Engine() as engine:

        def ask_each() -> None:
            for model in binary:
                _ = engine.answer(model, texts).confidences

        variants: dict[str, Callable[[], object]] = {
            "single": lambda: engine.answer(single, texts).confidences,
            "multi": lambda: engine.answer(multi, texts).confidences,
            "binary": ask_each,
        }
        for repetition in range(options.repetitions):
            names = list(variants)
            for name in names[repetition % 3 :] + names[: repetition % 3]:
                started_s = time.perf_counter()
                variants[name]()
                rates[name].append(len(texts) / (time.perf_counter() - started_s))
    return {
        "labels": options.labels,
        "n_texts": len(texts),
        "base": artifact.manifest.base.name,
        "precision": single.precision,
        "texts_per_s": rates,
        "machine": asdict(this_machine()),
        "load": load_average(),
        "revision": revision(_ROOT),
    }


def _with_labels(artifact: Artifact, n_labels: int, seed: int) -> Artifact:
    rng = np.random.default_rng(seed)
    width = artifact.decision.head.weight.shape[1]
    head = Head(rng.normal(size=(n_labels, width)).astype(np.float32), np.zeros(n_labels, dtype=np.float32))
    labels = tuple(f"label {number:02}" for number in range(n_labels))
    calibration = Calibration.identity(n_labels)
    return replace(artifact, decision=Decision("multi", labels, head, calibration, np.full(n_labels, 0.5)))


def report(row: dict[str, Any]) -> list[str]:
    """The table of one run, in Markdown."""
    rates = row["texts_per_s"]
    multi, n_labels = median(rates["multi"]), row["labels"]
    names = {
        "single": "one label a text",
        "multi": f"multilabel, {n_labels} labels",
        "binary": f"{n_labels} binary models, one after another",
    }
    lines = [
        (
            f"Base {row['base']} in {row['precision']}, {row['n_texts']} texts, {row['machine']['cpu']}, "
            f"load {row['load']}."
        ),
        "",
    ]
    return lines + table(
        ["model", "texts/s: median (range)", "the multilabel model is"],
        [[names[name], summary(rates[name]), f"{multi / median(rates[name]):.2f} times as fast"] for name in names],
        n_text_columns=1,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="labels.py", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--model", type=Path, required=True, help="a saved single-label model; the others are made from it")
    add("--texts", type=Path, required=True, help="texts to classify, as `fewfit classify` reads them")
    add("--labels", type=int, default=20, help="labels of the multilabel model; default: %(default)s")
    add("--n-texts", type=int, default=500, help="texts of a repetition; default: %(default)s")
    add("--repetitions", type=int, default=5)
    add("--out", type=Path, default=RESULTS, help="JSON lines to append to; default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
