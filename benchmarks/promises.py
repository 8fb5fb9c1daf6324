"""Measures whether intervals and learning curves keep what they promise, with heads on a base as it is.

Run as `python benchmarks/promises.py --data FOLDER`; see benchmarks/README.md.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
if str(_ROOT) not in sys.path:  # run as a file, Python looks in benchmarks/ only
    sys.path.insert(0, str(_ROOT))

import numpy as np  # noqa: E402

from benchmarks.harness.errors import UsageError, told  # noqa: E402
from benchmarks.harness.markdown import table  # noqa: E402
from benchmarks.harness.tasks import ALL, EvaluationData  # noqa: E402
from benchmarks.suspects import drawn, read  # noqa: E402

RESULTS = _ROOT / "benchmarks" / "results" / "promises.jsonl"
TASKS = "trec,tweet_emotion,customer_reviews,tweet_irony,rotten_tomatoes,ag_news,sms_spam,sib_topics"
POOL = 1000
FIGURES = ("accuracy", "macro_f1")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; tasks that are there already are not measured again."""
    options = _parser().parse_args(arguments)
    return told("promises.py", lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    if options.data is None:
        raise UsageError("Give the folder of evaluation tasks with --data (see benchmarks/README.md).")
    measure(options, EvaluationData(options.data))
    print("\n".join(report(read(options.out))))
    return 0


def measure(options: argparse.Namespace, data: EvaluationData) -> None:
    """Measures the tasks that are not there yet."""
    from fewfit.encoders.encoder import Encoder

    there = {row["task"] for row in read(options.out)}
    encoder: Any = None
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for trial in data.trials(options.tasks.split(",")):
        if trial.name in there:
            continue
        rows = drawn(data.sample(trial, ALL, 0), options.pool, 0)
        texts, labels = [row.text for row in rows], np.array([row.labels[0] for row in rows])
        encoder = encoder or Encoder.load(options.base)
        task = _Task(trial.name, texts, labels, encoder.embed(texts))
        found = [*intervals(task, options.samples), *curves(task, options.samples)]
        with options.out.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row | {"base": options.base}) + "\n" for row in found)
        print(trial.name, file=sys.stderr, flush=True)


class _Task:
    """A pool of labelled texts with their embeddings, of which few are trained on and the others show the truth."""

    def __init__(self, name: str, texts: Sequence[str], labels: np.ndarray, embeddings: np.ndarray) -> None:
        from fewfit.training import Targets

        self.name = name
        self.texts = texts
        self.embeddings = embeddings
        self.targets = Targets.from_labels(labels.tolist())

    def figures(self, train: np.ndarray, test: np.ndarray) -> dict[str, float]:
        """What a head on some texts is worth on others."""
        from fewfit.training.heads import fit_head
        from fewfit.training.metrics import score

        head = fit_head(self.embeddings[train], self.targets.take(train))
        logits = head.logits(self.embeddings[test])
        given = np.eye(self.targets.n_labels, dtype=bool)[logits.argmax(axis=1)]
        found = score(self.targets.take(test), given.astype(float), given).numbers()
        return {name: found[name] for name in FIGURES}

    def level(self, train: np.ndarray, folds: int, seed: int) -> Any:
        """The cross-validation of heads on some texts."""
        from fewfit.training.cross_validation import cross_validated, cross_validated_heads

        targets, texts = self.targets.take(train), [self.texts[row] for row in train]
        out_of_fold = cross_validated_heads(self.embeddings[train], targets, texts, n_folds=folds, repeats=1, seed=seed)
        assert out_of_fold is not None
        return cross_validated(out_of_fold, targets, texts, tuned=False)


def intervals(task: _Task, samples: int) -> Iterator[dict[str, Any]]:
    """Cross-validated intervals of few texts, and the truth about a model of all of these."""
    for n_texts in (48, 120):
        for sample in range(samples):
            order = np.random.default_rng([sample, n_texts]).permutation(len(task.texts))
            train, test = order[:n_texts], order[n_texts:]
            truth = task.figures(train, test)
            for folds in (2, 5):
                level = task.level(train, folds, sample)
                for name in FIGURES:
                    low, high = level.intervals[name]
                    yield {
                        "kind": "interval", "task": task.name, "n_texts": n_texts, "sample": sample, "folds": folds,
                        "figure": name, "low": low, "at": level.metrics.numbers()[name], "high": high,
                        "truth": truth[name],
                    }  # fmt: skip


def curves(task: _Task, samples: int) -> Iterator[dict[str, Any]]:
    """What learning curves promise of 20 more texts, and what any 20 of a hundred bring on average."""
    from fewfit.training.learning_curve import MORE_TEXTS, learning_curve

    for n_texts in (40, 100):
        for sample in range(max(2, samples // 4)):
            order = np.random.default_rng([sample, n_texts]).permutation(len(task.texts))
            train, more, test = np.split(order, [n_texts, n_texts + 100])
            texts = [task.texts[row] for row in train]
            level = task.level(train, 2, sample)
            curve = learning_curve(task.embeddings[train], task.targets.take(train), texts, level)
            if curve is None:
                continue
            before = task.figures(train, test)["macro_f1"]
            parts = more.reshape(-1, MORE_TEXTS)
            after = [task.figures(np.concatenate([train, part]), test)["macro_f1"] for part in parts]
            middle, low, high = curve.gain
            yield {
                "kind": "curve", "task": task.name, "n_texts": n_texts, "sample": sample, "promised": middle,
                "low": low, "high": high, "gain": float(np.mean(after)) - before, "now": curve.now.macro_f1,
                "truth": before,
            }  # fmt: skip


def report(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The tables: how often intervals hold the truth, and promised beside real gains."""
    lines: list[str] = []
    own = [row for row in rows if row["kind"] == "interval"]
    cells = []
    for n_texts, folds, figure in sorted({(row["n_texts"], row["folds"], row["figure"]) for row in own}):
        some = [row for row in own if (row["n_texts"], row["folds"], row["figure"]) == (n_texts, folds, figure)]
        low, at, high, truth = (np.array([row[name] for row in some]) for name in ("low", "at", "high", "truth"))
        shares = ((low <= truth) & (truth <= high), truth < low, truth > high)
        cells.append(
            [f"{n_texts} examples, {folds} folds, {figure}", *(f"{100 * share.mean():.0f}" for share in shares),
             f"{100 * (high - low).mean():.0f}", f"{100 * (truth - at).mean():+.1f}"]
        )  # fmt: skip
    head = ["cross-validation", "inside %", "below %", "above %", "width, points", "truth − figure, points"]
    lines += table(head, cells)
    curve_rows = [row for row in rows if row["kind"] == "curve"]
    cells = []
    for n_texts in sorted({row["n_texts"] for row in curve_rows}):
        some = [row for row in curve_rows if row["n_texts"] == n_texts]
        by_task = sorted({row["task"] for row in some})
        promised, gain = (
            np.array([np.mean([row[name] for row in some if row["task"] == task]) for task in by_task])
            for name in ("promised", "gain")
        )
        inside = np.mean([row["low"] <= row["gain"] <= row["high"] for row in some])
        cells.append(
            [f"{n_texts} examples", f"{100 * promised.mean():.1f}", f"{100 * gain.mean():.1f}",
             f"{100 * np.abs(promised - gain).mean():.1f}", f"{100 * inside:.0f}"]
        )  # fmt: skip
    head = ["20 more texts", "promised, points", "gained, points", "apart by task, points", "gain inside %"]
    return [*lines, *table(head, cells)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="promises.py", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, metavar="FOLDER", help="folder of evaluation tasks (tasks.json, fewshot.json, ...)")
    add("--tasks", default=TASKS, help="single-label tasks of few labels; default: %(default)s")
    add("--samples", type=int, default=16, help="samples of each size; default: %(default)s")
    add("--pool", type=int, default=POOL, help="rows of each task; default: %(default)s")
    add("--base", default="english-small", help="default: %(default)s")
    add("--out", type=Path, default=RESULTS, help="JSON lines to go on with; default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
