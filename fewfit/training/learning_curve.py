"""What more examples are likely to bring, and for which label: a curve of heads on some of the examples, extended.

Heads on the base's embeddings are fitted on parts of the examples of growing size and judged on the rest. The share
of macro F1 that is missing falls with the number of examples about as a power of it, so a line through the logarithms
goes on a little way beyond the data. Tuned models are better than heads; the curve is moved to where they are.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fewfit.data import stratified_folds
from fewfit.decision import surest_in
from fewfit.training.evaluation import Evaluation
from fewfit.training.heads import fit_head
from fewfit.training.metrics import LabelMetrics, score
from fewfit.training.targets import Targets

MORE_TEXTS = 20
# Parts of the examples that heads are fitted on.
SHARES = (0.3, 0.45, 0.65, 0.8)
FOLDS = 5
REPEATS = 3
# Heads of many labels on many texts take long: fewer repeats then, and no more texts than this.
MOST_TEXTS = 2000
_REPEATED_CELLS = 5000
# The exponent before anything is measured, and how far tasks are from it: mean and standard deviation over nine tasks
# of 2 to 7 labels from 30 to 240 examples, heads on english-small (0.06 on tweet_irony, 0.6 on sms_spam).
PRIOR_SLOPE = 0.26
PRIOR_SPREAD = 0.16
# How much any 20 texts bring more or less than others: this, times what is missing, over the number of examples, is its
# standard deviation (eight tasks with 40 and 100 examples, benchmarks/promises.py).
LUCK = 2.5
_FEWEST_TEXTS = 15
_NAMED_LABELS = 3
_SMALLEST_ERROR = 0.005
_SMALLEST_GAIN = 0.02


@dataclass(frozen=True)
class CurvePoint:
    """Macro F1 with so many examples, and the edges between which it is likely to be."""

    n_texts: int
    macro_f1: float
    low: float
    high: float


@dataclass(frozen=True)
class LabelAdvice:
    """How a label does, and what more examples of it are likely to bring."""

    label: str
    f1: float
    support: int
    advice: str


@dataclass(frozen=True)
class LearningCurve:
    """Macro F1 by the number of examples: as measured (`points`), with all of them (`now`) and with some more (`next`).

    `gain` is what the next `MORE_TEXTS` examples are likely to add to macro F1: middle, low, high. `labels` come
    in the order in which more examples of them are worth it.
    """

    points: list[CurvePoint]
    now: CurvePoint
    next: CurvePoint
    gain: tuple[float, float, float]
    labels: list[LabelAdvice]

    @property
    def advice(self) -> str:
        """What to do next, in a sentence."""
        middle, low, high = (100 * value for value in self.gain)
        worth = [label for label in self.labels if label.advice][:_NAMED_LABELS]
        names = ", ".join(repr(label.label) for label in worth)
        where = f" Most is to be had from {names}." if worth else ""
        return (
            f"{MORE_TEXTS} more examples are likely to add {middle:.1f} points of macro F1 "
            f"({low:.1f} to {high:.1f}).{where}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The curve as JSON types."""
        middle, low, high = self.gain
        return {
            "points": [asdict(point) for point in self.points],
            "now": asdict(self.now),
            "next": asdict(self.next),
            "gain": {"macro_f1": middle, "low": low, "high": high},
            "labels": [asdict(label) for label in self.labels],
            "advice": self.advice,
        }


def learning_curve(
    embeddings: np.ndarray, targets: Targets, texts: Sequence[str], level: Evaluation, *, seed: int = 0
) -> LearningCurve | None:
    """The curve of a model whose cross-validation is `level`; None where there are too few texts for one.

    `embeddings` (n_texts, hidden) are those of the base, untuned. Takes seconds.
    """
    n_texts = len(targets)
    if n_texts < _FEWEST_TEXTS or int(targets.counts.max()) < 2:
        return None
    sizes, measured = _measured(embeddings, targets, texts, seed)
    if len(sizes) < 2:
        return None
    slope, spread = fit_slope(sizes, measured)
    trained = level.n_trained or n_texts
    missing = max(_SMALLEST_ERROR, 1 - level.metrics.macro_f1)
    low, high = level.intervals["macro_f1"]

    def at(size: int) -> CurvePoint:
        """The level, moved along the curve."""
        factor = (size / trained) ** -slope
        edges = (1 - (1 - edge) * factor for edge in (low, high))
        middle = 1 - missing * factor
        lower, upper = (float(np.clip(edge, 0, 1)) for edge in edges)
        return CurvePoint(size, float(middle), min(lower, middle), max(upper, middle))

    own = np.exp(_line(sizes, measured, slope))  # what heads lack at the size that the level is about
    scale = missing / (own * trained**-slope)
    points = [
        CurvePoint(
            n_texts=int(size),
            macro_f1=float(np.clip(1 - scale * lacking.mean(), 0, 1)),
            low=float(np.clip(1 - scale * lacking.max(), 0, 1)),
            high=float(np.clip(1 - scale * lacking.min(), 0, 1)),
        )
        for size, lacking in zip(sizes, measured, strict=True)
    ]
    now, then = at(n_texts), at(n_texts + MORE_TEXTS)
    lacking = 1 - now.macro_f1
    step = np.log((n_texts + MORE_TEXTS) / n_texts)
    middle = float(lacking * -np.expm1(-step * slope))
    away = 1.96 * float(np.hypot(lacking * step * spread, LUCK * lacking / n_texts))
    gain = (middle, middle - away, middle + away)
    labels = label_advice(level.per_label, growth=n_texts / trained, slope=slope)
    return LearningCurve(points, now, then, gain, labels)


def fit_slope(sizes: np.ndarray, measured: Sequence[np.ndarray]) -> tuple[float, float]:
    """How fast what is missing falls: (exponent, its standard deviation), drawn towards the prior.

    `measured` are what is missing at each size, one value a repeat.
    """
    x = np.concatenate([np.full(len(values), np.log(size)) for size, values in zip(sizes, measured, strict=True)])
    y = np.log(np.maximum(np.concatenate(list(measured)), _SMALLEST_ERROR))
    x, y = x - x.mean(), y - y.mean()
    slope = -float((x * y).sum() / (x * x).sum())
    rest = y + slope * x
    variance = float((rest**2).sum() / max(1, len(x) - 2) / (x * x).sum())
    # The values of one repeat share their texts, so they are worth less than as many independent ones.
    variance = max(variance * len(measured[0]), 0.05**2)
    weight = variance / (variance + PRIOR_SPREAD**2)
    return max(0.0, (1 - weight) * slope + weight * PRIOR_SLOPE), float(np.sqrt((1 - weight) * variance))


def _measured(
    embeddings: np.ndarray, targets: Targets, texts: Sequence[str], seed: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Sizes, and what heads of that many texts lack of macro F1 on texts they have not seen, a value a repeat."""
    rng = np.random.default_rng(seed)
    if len(targets) > MOST_TEXTS:
        chosen = np.sort(rng.choice(len(targets), MOST_TEXTS, replace=False))
        embeddings, targets, texts = embeddings[chosen], targets.take(chosen), [texts[row] for row in chosen]
    n_texts = len(targets)
    repeats = REPEATS if n_texts * targets.n_labels <= _REPEATED_CELLS else 1
    sizes = np.unique([max(2, round(share * n_texts)) for share in SHARES])
    lacking: list[list[float]] = [[] for _ in sizes]
    everything = np.arange(n_texts)
    for repeat in range(repeats):
        folds = stratified_folds(texts, targets.as_labels(), n_folds=FOLDS, seed=seed + repeat)
        if len(folds) < 2:
            return np.array([]), []
        given = np.zeros((len(sizes), n_texts, targets.n_labels), dtype=bool)
        for fold in folds:
            order = _spread_out(targets, np.setdiff1d(everything, fold), rng)
            for number, size in enumerate(sizes):
                rows = order[:size]
                head = fit_head(embeddings[rows], targets.take(rows))
                given[number, fold] = _given(targets, head.logits(embeddings[fold]))
        for number in range(len(sizes)):
            figures = score(targets, given[number].astype(float), given[number])
            lacking[number].append(1 - figures.macro_f1)
    return sizes, [np.array(values) for values in lacking]


def _spread_out(targets: Targets, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The rows in an order whose beginnings have the labels in their shares."""
    order = rng.permutation(rows)
    first = targets.matrix[order].argmax(axis=1)
    place = np.empty(len(order))
    for label in np.unique(first):
        own = np.flatnonzero(first == label)
        place[own] = (np.arange(len(own)) + rng.random()) / len(own)
    return np.asarray(order[np.argsort(place, kind="stable")])


def _given(targets: Targets, logits: np.ndarray) -> np.ndarray:
    return surest_in(targets.exclusive, logits) if targets.exclusive else np.asarray(logits >= 0)


def _line(sizes: np.ndarray, measured: Sequence[np.ndarray], slope: float) -> float:
    """The logarithm of what is missing with one text, by a line of that slope through the middle of the values."""
    lacking = [np.log(np.maximum(values, _SMALLEST_ERROR)).mean() for values in measured]
    return float(np.mean(lacking) + slope * np.log(sizes).mean())


def label_advice(
    labels: Sequence[LabelMetrics], *, growth: float = 1.0, slope: float = PRIOR_SLOPE
) -> list[LabelAdvice]:
    """The labels, those first that gain most from `MORE_TEXTS` examples of their own.

    `support` of each is how many examples it was trained on; `growth` is by how much the model that is kept was
    trained on more of them than the one that the figures are of.
    """
    found = []
    for label in labels:
        support = max(1, label.support)
        lacking = (1 - label.f1) * growth**-slope
        gain = lacking * (1 - ((support + MORE_TEXTS) / support) ** -slope)
        found.append((gain, label))
    found.sort(key=lambda pair: (-pair[0], pair[1].label))
    usual = float(np.mean([gain for gain, _ in found])) if found else 0.0
    return [
        LabelAdvice(
            label=label.label,
            f1=label.f1,
            support=label.support,
            advice=f"{MORE_TEXTS} more examples of it are likely to add about {100 * gain:.0f} points to its F1"
            if gain >= max(usual, _SMALLEST_GAIN)
            else "",
        )
        for gain, label in found
    ]
