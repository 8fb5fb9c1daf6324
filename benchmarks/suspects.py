"""Measures how many wrong labels are found among the first suspects, and what wrong labels cost a model.

Run as `python benchmarks/suspects.py --data FOLDER`; see benchmarks/README.md.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
if str(_ROOT) not in sys.path:  # run as a file, Python looks in benchmarks/ only
    sys.path.insert(0, str(_ROOT))

import numpy as np  # noqa: E402

from benchmarks.harness.errors import UsageError, told  # noqa: E402
from benchmarks.harness.machine import revision  # noqa: E402
from benchmarks.harness.markdown import spread, table  # noqa: E402
from benchmarks.harness.options import shares, some_of  # noqa: E402
from benchmarks.harness.tasks import ALL, EvaluationData, Row  # noqa: E402

RESULTS = _ROOT / "benchmarks" / "results" / "suspects.jsonl"
# The ranking was chosen on trec, tweet_emotion, customer_reviews and tweet_irony; these are others.
REPORTED = "rotten_tomatoes,ag_news,sms_spam,amazon_counterfactual_en,banking77,hwu64,sib_topics"
# Of tasks with more labels, so many are drawn: 250 rows over 77 labels are three examples each.
MOST_LABELS = 10
TOP = 0.15
METHODS = ("heads", "thorough", "training")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; rows that are there already are not measured again."""
    options = _parser().parse_args(arguments)
    return told("suspects.py", lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    if options.data is None:
        raise UsageError("Give the folder of evaluation tasks with --data (see benchmarks/README.md).")
    measure(options, EvaluationData(options.data))
    print("\n".join(report(read(options.out))))
    return 0


def measure(options: argparse.Namespace, data: EvaluationData) -> None:
    """Measures what is not there yet, row by row."""
    from fewfit.encoders.encoder import Encoder

    there = {_key(row) for row in read(options.out)}
    encoder: Any = None
    low, _, high = options.seeds.partition("-")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(int(low), int(high or low) + 1):
        for trial in data.trials(options.tasks.split(",")):
            rows = drawn(data.sample(trial, ALL, seed), options.rows, seed)
            for share in options.shares:
                for method in options.methods:
                    about = {"task": trial.name, "seed": seed, "share": share, "method": method, "base": options.base}
                    about |= {"rows": options.rows}
                    if _key(about) in there:
                        continue
                    encoder = encoder or Encoder.load(options.base)
                    labels, wrong = flipped([row.labels[0] for row in rows], share, seed)
                    started_s = time.monotonic()
                    if method == "training":
                        test = data.tests(trial)[trial.test[0]][: options.test_rows]
                        found = _trained(options.base, rows, labels, test, seed)
                    else:
                        found = _ranked(encoder, rows, labels, wrong, seed, thorough=method == "thorough")
                    about |= found | {"seconds": round(time.monotonic() - started_s, 1), "revision": revision(_ROOT)}
                    with options.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(about) + "\n")
                    print(json.dumps(about), file=sys.stderr, flush=True)


def drawn(pool: Sequence[Row], count: int, seed: int) -> list[Row]:
    """So many random rows, of at most `MOST_LABELS` labels."""
    rng = np.random.default_rng([seed, count])
    labels = sorted({row.labels[0] for row in pool})
    kept = set(rng.permutation(labels)[:MOST_LABELS].tolist()) if len(labels) > MOST_LABELS else set(labels)
    rows = [row for row in pool if row.labels[0] in kept]
    return [rows[number] for number in rng.permutation(len(rows))[:count]]


def flipped(labels: Sequence[str], share: float, seed: int) -> tuple[list[str], np.ndarray]:
    """The labels with a share of them replaced by another label of the task, and which ones, boolean."""
    rng = np.random.default_rng([seed, 77])
    names = sorted(set(labels))
    wrong = np.zeros(len(labels), dtype=bool)
    wrong[rng.choice(len(labels), round(share * len(labels)), replace=False)] = True
    steps = rng.integers(1, len(names), len(labels))
    changed = [
        names[(names.index(label) + step) % len(names)] if bad else label
        for label, step, bad in zip(labels, steps.tolist(), wrong, strict=True)
    ]
    return changed, wrong


def found_at_top(ranked: np.ndarray, wrong: np.ndarray, top: float = TOP) -> float:
    """The share of the wrong labels among the first suspects."""
    first = ranked[: round(top * len(wrong))]
    return float(wrong[first].sum() / wrong.sum())


def _ranked(
    encoder: Any, rows: Sequence[Row], labels: Sequence[str], wrong: np.ndarray, seed: int, *, thorough: bool
) -> dict[str, float]:
    from fewfit.data import Dataset, Example
    from fewfit.data.suspects import Suspicion
    from fewfit.training import Targets, held_out_answers

    texts = [row.text for row in rows]
    insight = held_out_answers(encoder, texts, Targets.from_labels(labels), thorough=thorough, seed=seed)
    assert insight.answers is not None
    examples = tuple(Example(text, (label,), row) for row, (text, label) in enumerate(zip(texts, labels, strict=True)))
    suspicion = Suspicion(Dataset(examples, "single"), insight.answers, insight.embeddings)
    flagged = [suspect.row for suspect in suspicion.suspects()]
    given = insight.answers.given.argmax(axis=1)
    right = [insight.answers.labels[column] == row.labels[0] for column, row in zip(given, rows, strict=True)]
    return {
        "found": found_at_top(suspicion.ranked(), wrong),
        "flagged": len(flagged) / len(rows),
        "flagged_found": float(wrong[flagged].sum() / wrong.sum()) if len(flagged) else 0.0,
        "flagged_wrong": float(wrong[flagged].mean()) if len(flagged) else 0.0,
        "accuracy": float(np.mean(right)),
    }


def _trained(base: str, rows: Sequence[Row], labels: Sequence[str], test: Sequence[Row], seed: int) -> dict[str, float]:
    from fewfit import Classifier
    from fewfit.training import TrainingSettings

    known = set(labels)
    test = [row for row in test if row.labels[0] in known]
    # Without out-of-fold tails, which change nothing about the answers of a single-label model.
    settings = replace(TrainingSettings(), n_folds=0)
    classifier = Classifier(base, seed=seed, settings=settings).fit([row.text for row in rows], list(labels))
    given = classifier.predict([row.text for row in test])
    return {"accuracy": float(np.mean([answer == row.labels[0] for answer, row in zip(given, test, strict=True)]))}


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of results."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def report(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The tables: wrong labels found by task and method, and accuracy by the share of wrong labels."""
    lines: list[str] = []
    for base, n_rows, share in sorted({(row["base"], row["rows"], row["share"]) for row in rows if "found" in row}):
        own = [
            row for row in rows if "found" in row and (row["base"], row["rows"], row["share"]) == (base, n_rows, share)
        ]
        lines += [
            f"{share:.0%} of {n_rows} labels wrong, {base}: share of them among the first {TOP:.0%} of suspects",
            "",
        ]
        lines += table(["task", *_methods(own)], _table(own, "found"))
        lines += ["The same: share of them among the flagged labels / share of the flagged ones that is wrong", ""]
        lines += table(["task", *_methods(own)], _table(own, "flagged_found", "flagged_wrong"))
    trained = [row for row in rows if row["method"] == "training"]
    for base, n_rows in sorted({(row["base"], row["rows"]) for row in trained}):
        own = [row for row in trained if (row["base"], row["rows"]) == (base, n_rows)]
        measured = sorted({row["share"] for row in own})
        tasks = sorted({row["task"] for row in own})
        lines += [f"Accuracy of a model of {n_rows} rows, {base}, by the share of wrong labels", ""]
        cells = [
            [
                task,
                *(
                    spread([r["accuracy"] for r in own if (r["task"], r["share"]) == (task, share)])
                    for share in measured
                ),
            ]
            for task in tasks
        ]
        lines += table(["task", *(f"{share:.0%}" for share in measured)], cells)
    return lines


def _methods(rows: Sequence[dict[str, Any]]) -> list[str]:
    return sorted({row["method"] for row in rows})


def _table(rows: Sequence[dict[str, Any]], *figures: str) -> list[list[str]]:
    methods = _methods(rows)
    by_task: list[list[str]] = []
    means: dict[tuple[str, str], list[float]] = {}
    for task in sorted({row["task"] for row in rows}):
        cells = [task]
        for method in methods:
            parts = []
            for figure in figures:
                values = [row[figure] for row in rows if (row["task"], row["method"]) == (task, method)]
                parts.append(spread(values))
                if values:
                    means.setdefault((method, figure), []).append(mean(values))
            cells.append(" / ".join(parts))
        by_task.append(cells)
    last = [" / ".join(f"{100 * mean(means[method, figure]):.1f}" for figure in figures) for method in methods]
    return [*by_task, ["mean of tasks", *last]]


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("task", "seed", "share", "method", "base", "rows"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="suspects.py", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, metavar="FOLDER", help="folder of evaluation tasks (tasks.json, fewshot.json, ...)")
    add("--tasks", default=REPORTED, help="single-label tasks; default: %(default)s")
    add("--seeds", default="0-4", help="samples, as in 0-4; default: %(default)s")
    add("--rows", type=int, default=250, help="rows drawn of each task; default: %(default)s")
    add("--shares", type=shares, default="0.1", help="shares of labels that are made wrong; default: %(default)s")
    add("--methods", type=some_of(METHODS), default="heads,thorough", help="heads, thorough (fewfit check --thorough), training (what wrong labels cost); default: %(default)s")  # fmt: skip  # noqa: E501
    add("--base", default="english-small", help="default: %(default)s")
    add("--test-rows", type=int, default=500, help="test rows for training; default: %(default)s")
    add("--out", type=Path, default=RESULTS, help="JSON lines to go on with; default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
