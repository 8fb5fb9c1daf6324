"""Teaches a fast tier what a model answers, and finds out how much it may be trusted with."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import beta

from fewfit.decision import Decision
from fewfit.fast_tier import N_PAIRS, FastTier, Tokens, margins

LEAST_TEXTS = 300  # with no disagreement at all among them, the upper bound is 1 %
MOST_TEXTS = 6_000  # more are sampled: the fit takes memory with the square of their number
MOST_DISAGREEMENT = 0.01
LEAST_SHARE = 0.05  # a tier that answers less than this is not worth having
_CONFIDENCE = 0.95
_FOLDS = 5
# Ridge 0.1 of the mean of the kernel's diagonal, n-grams at half the weight of token vectors: of 0.03, 0.1 and 0.3,
# and of 0.5 and 1, the best or within 2 points of it on 8 development tasks (english-small, 64 a label).
_RIDGE = 0.1
_WEIGHTS = (1.0, 0.5, 0.5)  # of token vectors, tokens, pairs of tokens
_SHOWN = (0.0, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1)


@dataclass(frozen=True)
class Point:
    """A place on the curve: what the tier would answer at a cut, and how often the model would say otherwise.

    `answered` and `disagreement` are shares of all texts; `bound` is the 95 % upper bound of the latter.
    `texts_per_s` is what tier and model manage together, None where it was not measured.
    """

    cut: float
    answered: float
    disagreement: float
    bound: float
    texts_per_s: float | None = None


@dataclass(frozen=True)
class FastReport:
    """What came of distilling: whether the tier serves, on what terms, and the curve to choose others by.

    All figures are of texts that the tier was not taught on (cross-fitting over `n_texts` unlabelled
    texts). `agreement` is how often the tier alone would say what the model says.
    """

    enabled: bool
    reason: str
    n_texts: int
    max_disagreement: float
    agreement: float
    chosen: Point | None
    curve: tuple[Point, ...]
    fast_texts_per_s: float | None = None
    full_texts_per_s: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON types."""
        return asdict(self)


def teach(
    vectors: NDArray[np.float32],
    encoded: Sequence[Sequence[int]],
    logits: NDArray[np.floating],
    decision: Decision,
    measured: NDArray[np.bool_],
    *,
    max_disagreement: float = MOST_DISAGREEMENT,
    seed: int = 0,
) -> tuple[FastTier | None, FastReport]:
    """A fast tier taught the model's calibrated logits (n_texts, n_labels) of texts as token ids.

    `vectors` are the base's token vectors. Only `measured` texts count for the promise: they must be such
    as will be asked, and the model must not have been trained on them. The tier is None where the upper
    bound of the disagreement cannot be kept at `max_disagreement`.
    """
    features = _Features(vectors, encoded)
    wanted = np.asarray(logits, dtype=np.float64)
    held_out = _cross_fitted(features, wanted, measured, seed)
    points = _points(decision, held_out[measured], wanted[measured])
    fine = [point for point in points if point.bound <= max_disagreement]
    chosen = fine[-1] if fine else None
    report = _report(points, chosen, held_out[measured], wanted[measured], decision, max_disagreement)
    if not report.enabled or chosen is None:
        return None, report
    return features.tier(features.fit(wanted, np.arange(len(wanted))), chosen.cut), report


class _Features:
    """Texts as a kernel matrix: mean token vectors, tokens and pairs of tokens, each scaled to 1 on average."""

    def __init__(self, vectors: NDArray[np.float32], encoded: Sequence[Sequence[int]]) -> None:
        self.vectors = vectors
        texts = Tokens.of(encoded)
        scale = 1 / np.sqrt(texts.lengths)
        row = np.repeat(np.arange(len(encoded)), texts.lengths)
        places = texts.pairs()
        real = places >= 0
        shape = (len(encoded), len(vectors))
        self.tokens = sparse.csr_array((scale[row], (row, texts.ids)), shape=shape)
        self.pairs = sparse.csr_array((scale[row[real]], (row[real], places[real])), shape=(len(encoded), N_PAIRS))
        self.means = self.tokens @ vectors
        kernels = [self.means @ self.means.T, _dense(self.tokens @ self.tokens.T), _dense(self.pairs @ self.pairs.T)]
        self.weights = [
            weight / max(float(np.trace(kernel)) / len(encoded), 1e-12)
            for weight, kernel in zip(_WEIGHTS, kernels, strict=True)
        ]
        self.kernel = sum(weight * kernel for weight, kernel in zip(self.weights, kernels, strict=True))

    def fit(self, wanted: NDArray[np.float64], rows: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Weights of the texts (n_texts, n_labels), 0 outside of `rows`, and the bias (n_labels,)."""
        kernel = self.kernel[np.ix_(rows, rows)]
        bias = wanted[rows].mean(axis=0)
        ridge = _RIDGE * float(np.trace(kernel)) / len(rows)
        weights = np.zeros_like(wanted)
        weights[rows] = np.linalg.solve(kernel + ridge * np.eye(len(rows)), wanted[rows] - bias)
        return weights, bias

    def predict(self, fitted: tuple[NDArray[np.float64], NDArray[Any]], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Logits of some of the texts."""
        weights, bias = fitted
        return np.asarray(self.kernel[rows] @ weights + bias)

    def tier(self, fitted: tuple[NDArray[np.float64], NDArray[Any]], cut: float) -> FastTier:
        """The same prediction as tables: it is linear in tokens and pairs."""
        weights, bias = fitted
        by_vector, by_token, by_pair = self.weights
        tokens = self.vectors @ (by_vector * (self.means.T @ weights)) + by_token * (self.tokens.T @ weights)
        pairs = by_pair * (self.pairs.T @ weights)
        return FastTier(tokens.astype(np.float16), pairs.astype(np.float16), bias.astype(np.float32), cut)


def _dense(matrix: Any) -> NDArray[np.float64]:
    return np.asarray(matrix.todense())


def _cross_fitted(
    features: _Features, wanted: NDArray[np.float64], measured: NDArray[np.bool_], seed: int
) -> NDArray[np.float64]:
    """Logits of the measured texts from tiers that were not taught on them; the other rows stay 0."""
    rows = np.flatnonzero(measured)
    shuffled = np.random.default_rng(seed).permutation(rows)
    everything = np.arange(len(wanted))
    found = np.zeros_like(wanted)
    for part in np.array_split(shuffled, _FOLDS):
        fitted = features.fit(wanted, np.setdiff1d(everything, part))
        found[part] = features.predict(fitted, part)
    return found


def _points(decision: Decision, given: NDArray[np.float64], wanted: NDArray[np.float64]) -> list[Point]:
    """A point for every text, from the surest on."""
    sure = margins(decision, given)
    different = _different(decision, given, wanted)
    order = np.argsort(-sure, kind="stable")
    wrong = np.cumsum(different[order])
    n_texts = len(order)
    # The bound holds at the cut chosen because cuts are tried in a fixed order, from the surest text on, until the
    # first that fails (fixed-sequence testing); the count of disagreements can only grow on the way.
    bounds = upper_bound(np.arange(int(wrong[-1]) + 1), n_texts)
    return [
        Point(float(sure[row]), (number + 1) / n_texts, int(wrong[number]) / n_texts, float(bounds[wrong[number]]))
        for number, row in enumerate(order)
    ]


def _different(decision: Decision, given: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.bool_]:
    one, other = (decision.matrix(decision.of_calibrated(logits)) for logits in (given, wanted))
    return np.asarray((one != other).any(axis=1))


def upper_bound(wrong: NDArray[np.integer] | int, n_texts: int) -> NDArray[np.float64]:
    """The one-sided 95 % upper bound of a rate of which `wrong` among `n_texts` were seen (Clopper-Pearson)."""
    wrong = np.asarray(wrong)
    bound = beta.ppf(_CONFIDENCE, wrong + 1, np.maximum(n_texts - wrong, 1e-9))
    return np.asarray(np.where(wrong >= n_texts, 1.0, bound))


def _report(
    points: Sequence[Point],
    chosen: Point | None,
    given: NDArray[np.float64],
    wanted: NDArray[np.float64],
    decision: Decision,
    max_disagreement: float,
) -> FastReport:
    curve: dict[float, Point] = {}
    for rate in _SHOWN:
        fine = [point for point in points if point.disagreement <= rate]
        if fine:
            curve[fine[-1].answered] = fine[-1]
    allowed = f"{100 * max_disagreement:g} %"
    if chosen is None:
        least = 100 * float(upper_bound(0, len(points)))
        reason = f"Even the surest answers cannot be promised to differ on at most {allowed} of texts"
        reason += f" with {len(points):,} texts (the bound is {least:.1f} % with no difference at all)."
    elif chosen.answered < LEAST_SHARE:
        reason = f"Within {allowed} it could answer {100 * chosen.answered:.1f} % of the texts only."
    else:
        reason = f"It answers {100 * chosen.answered:.0f} % of the texts, and differs on at most {allowed} of all."
    return FastReport(
        enabled=chosen is not None and chosen.answered >= LEAST_SHARE,
        reason=reason,
        n_texts=len(points),
        max_disagreement=max_disagreement,
        agreement=1 - float(_different(decision, given, wanted).mean()),
        chosen=chosen,
        curve=tuple(curve.values()),
    )
