"""Measures how well texts of a label that training never saw are rejected, and how many ordinary ones are with them.

Run as `python benchmarks/rejection.py --data FOLDER`; see benchmarks/README.md.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
if str(_ROOT) not in sys.path:  # run as a file, Python looks in benchmarks/ only
    sys.path.insert(0, str(_ROOT))

import numpy as np  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402

from benchmarks.harness.errors import told  # noqa: E402
from benchmarks.harness.markdown import table  # noqa: E402
from benchmarks.harness.tasks import EvaluationData, Row, Trial  # noqa: E402
from fewfit.data import stratified_folds  # noqa: E402
from fewfit.decision import likeness  # noqa: E402
from fewfit.encoders.encoder import Encoder  # noqa: E402
from fewfit.serving.torch_runtime import TorchRuntime  # noqa: E402
from fewfit.training import Targets, TrainingSettings, fit_head, train  # noqa: E402
from fewfit.training.rejecting import references  # noqa: E402

RESULTS = _ROOT / "benchmarks" / "results" / "rejection.jsonl"
# Choose a score by the first, report it on the second.
TUNING = "trec,tweet_emotion,sib_topics:en"
REPORTING = "ag_news,xsid_intents:en,german_news"
RATE = 0.05
_MAX_LENGTH = 128
_MOST_INSIDE, _MOST_OUTSIDE = 300, 200

Score = Callable[[np.ndarray, Targets, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Space:
    """Embeddings of one trained model: texts that it was trained on, with their targets, and others."""

    trained: np.ndarray
    targets: Targets
    others: dict[str, np.ndarray]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is 0, or 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    return told("rejection.py", lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    data = EvaluationData(options.data)
    encoder = Encoder.load(options.base)
    rows: list[dict[str, object]] = []
    for trial in data.trials(options.tasks.split(",")):
        for seed in range(options.seeds):
            rows.extend(_measure(data, encoder, trial, seed))
            options.out.parent.mkdir(parents=True, exist_ok=True)
            with options.out.open("a", encoding="utf-8") as file:
                file.writelines(
                    json.dumps(row) + "\n" for row in rows if row["trial"] == trial.name and row["seed"] == seed
                )
    print(summary(rows))
    return 0


def summary(rows: Sequence[dict[str, object]]) -> str:
    """The mean of each score over tasks and samples, as a Markdown table."""
    lines = []
    for name in SCORES:
        mine = [row for row in rows if row["score"] == name]
        figures = [float(np.mean([float(str(row[key])) for row in mine])) for key in ("auroc", "detected", "rejected")]
        lines.append([name, f"{figures[0]:.3f}", *(f"{100 * figure:.1f} %" for figure in figures[1:])])
    return "\n".join(table(["score", "AUROC", "of the missing label found", "of the others rejected"], lines))


def _measure(data: EvaluationData, encoder: Encoder, trial: Trial, seed: int) -> Iterator[dict[str, object]]:
    final, folds = _spaces(data, encoder, trial, seed)
    for name, score in SCORES.items():
        inside, outside = (score(final.trained, final.targets, final.others[part]) for part in ("inside", "outside"))
        held_out = np.concatenate([score(fold.trained, fold.targets, fold.others["held out"]) for fold in folds])
        threshold = np.sort(held_out)[max(0, int(RATE * (len(held_out) + 1)) - 1)]
        truth = np.repeat([1, 0], [len(inside), len(outside)])
        yield {
            "trial": trial.name,
            "seed": seed,
            "score": name,
            "auroc": float(roc_auc_score(truth, np.concatenate([inside, outside]))),
            "detected": float((outside < threshold).mean()),
            "rejected": float((inside < threshold).mean()),
            "n_train": len(final.trained),
            "n_inside": len(inside),
            "n_outside": len(outside),
            "base": encoder.weights.name,
        }


def _spaces(data: EvaluationData, encoder: Encoder, trial: Trial, seed: int) -> tuple[Space, list[Space]]:
    """The model trained without one label (of many labels: a tenth of them), and those of two folds."""
    tests = data.tests(trial)[trial.test[0]]
    asked = {row.labels[0] for row in tests}
    labels = [label for label in trial.task.labels if label in asked]
    n_missing = max(1, len(labels) // 10)
    missing = {labels[(seed * n_missing + number) % len(labels)] for number in range(n_missing)}
    size = "16" if "16" in data.sizes(trial) else "8"
    sample = [row for row in data.sample(trial, size, seed) if row.labels[0] not in missing]
    names = tuple(sorted({row.labels[0] for row in sample}))
    order = np.random.default_rng(seed).permutation(len(tests))
    inside = [tests[row].text for row in order if tests[row].labels[0] in names][:_MOST_INSIDE]
    outside = [tests[row].text for row in order if tests[row].labels[0] in missing][:_MOST_OUTSIDE]
    final = _space(encoder, sample, names, {"inside": inside, "outside": outside}, seed)
    texts, given = [row.text for row in sample], [row.labels[0] for row in sample]
    folds = []
    for number, held_out in enumerate(stratified_folds(texts, given, n_folds=2, seed=seed)):
        kept = [sample[row] for row in np.setdiff1d(np.arange(len(sample)), held_out)]
        folds.append(_space(encoder, kept, names, {"held out": [texts[row] for row in held_out]}, seed + 1 + number))
    return final, folds


def _space(
    encoder: Encoder, rows: Sequence[Row], names: tuple[str, ...], others: dict[str, list[str]], seed: int
) -> Space:
    texts = [row.text for row in rows]
    targets = Targets.from_labels([row.labels[0] for row in rows], known=names)
    model = train(encoder, texts, targets, TrainingSettings(n_folds=0), seed=seed, max_length=_MAX_LENGTH)
    trunk, _ = encoder.split(model.tail_layers)
    runtime = TorchRuntime(trunk, model.tail, encoder.tokenizer, max_length=_MAX_LENGTH, device=encoder.device)
    return Space(runtime.embed(texts), targets, {name: runtime.embed(asked) for name, asked in others.items()})


def _label_means(trained: np.ndarray, targets: Targets, asked: np.ndarray) -> np.ndarray:
    return likeness(asked, references(trained, targets))


def _nearest(trained: np.ndarray, targets: Targets, asked: np.ndarray) -> np.ndarray:
    del targets
    return likeness(asked, trained / np.linalg.norm(trained, axis=1, keepdims=True))


def _largest_logit(trained: np.ndarray, targets: Targets, asked: np.ndarray) -> np.ndarray:
    return np.asarray(fit_head(trained, targets, tuned=True).logits(asked).max(axis=1))


def _energy(trained: np.ndarray, targets: Targets, asked: np.ndarray) -> np.ndarray:
    return np.asarray(np.logaddexp.reduce(fit_head(trained, targets, tuned=True).logits(asked), axis=1))


def _confidence(trained: np.ndarray, targets: Targets, asked: np.ndarray) -> np.ndarray:
    logits = fit_head(trained, targets, tuned=True).logits(asked)
    return np.asarray(logits.max(axis=1) - np.logaddexp.reduce(logits, axis=1))


def _mahalanobis(trained: np.ndarray, targets: Targets, asked: np.ndarray) -> np.ndarray:
    """Minus the distance to the nearest label's mean, with one covariance that is half shrunk to a sphere."""
    means = np.stack([trained[column].mean(axis=0) for column in targets.matrix.T if column.any()])
    away = trained - means[np.unique(targets.index, return_inverse=True)[1]]
    covariance = away.T @ away / len(trained)
    covariance = (covariance + np.trace(covariance) / len(covariance) * np.eye(len(covariance))) / 2
    precision = np.linalg.inv(covariance)
    distances = [np.einsum("th,hk,tk->t", asked - mean, precision, asked - mean, optimize=True) for mean in means]
    return np.asarray(-np.min(distances, axis=0))


SCORES: dict[str, Score] = {
    "cosine to a label's mean (fewfit)": _label_means,
    "cosine to the nearest text": _nearest,
    "confidence": _confidence,
    "largest logit": _largest_logit,
    "energy": _energy,
    "Mahalanobis, shrunk": _mahalanobis,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rejection.py", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation tasks")
    parser.add_argument(
        "--tasks", default=REPORTING, help=f"tasks, with commas (reporting: {REPORTING}; tuning: {TUNING})"
    )
    parser.add_argument("--seeds", type=int, default=5, help="samples of each task (default: %(default)s)")
    parser.add_argument("--base", default="english-small", help="base (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where results are added (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
