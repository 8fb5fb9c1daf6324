"""How far to trust a figure: its 95 % interval, which says what other texts of the same kind might have given.

Texts are drawn with replacement, as often as there are texts, and every figure is computed again (Efron's
bootstrap, percentile method); all figures of a resample come out of matrix products of the counts with which
each text was drawn, so a thousand resamples take milliseconds. Shares of texts (accuracy) take Wilson's interval
instead, which stays honest where all answers are right and resampling would show no spread at all.
"""

from collections.abc import Iterator

import numpy as np

from fewfit.training.metrics import log_losses
from fewfit.training.reliability import N_BINS, bins_of, sureness
from fewfit.training.targets import Targets

Intervals = dict[str, tuple[float, float]]

MOST_RESAMPLES = 1000
FEWEST_RESAMPLES = 200
# Draws in all, over all resamples: beyond 2,000 texts fewer resamples do, as intervals are narrow then.
_DRAWS = 2_000_000
# Draws at once: 8 bytes each.
_BLOCK_DRAWS = 1_000_000
_Z = 1.959964  # of the normal distribution, 95 %, both sides


def intervals(
    targets: Targets, confidences: np.ndarray, given: np.ndarray, *, seed: int = 0, widened: float = 1.0
) -> Intervals:
    """The 95 % interval of each figure of `Metrics`, by its name.

    The arguments are those of `fewfit.training.score`; `widened` stretches the intervals around the figures.
    Linear in texts and labels, in time and in memory.
    """
    statistics = _Statistics(targets, confidences, given)
    point = statistics.figures(np.ones((1, len(targets))))
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in point}
    for counts in _resamples(len(targets), seed):
        for name, values in statistics.figures(counts).items():
            drawn[name].append(values)
    found = {}
    for name, value in point.items():
        at = float(value[0])
        low, high = (float(edge) for edge in np.quantile(np.concatenate(drawn[name]), [0.025, 0.975]))
        if name == "calibration_error":
            # Chance adds to this figure and never takes away from it, in the sample and once more in a resample.
            # So the upper edge is mirrored, and the lower one is what remains when chance alone is taken off.
            low, high = max(0.0, at - statistics.calibration_error_by_chance(seed)), 2 * at - low
        elif name not in ("loss", "brier") and (low == high or name in statistics.shares):
            low, high = wilson(at, statistics.shares.get(name, len(targets)))
        most = np.inf if name == "loss" else 1.0
        low, high = at - widened * max(0.0, at - low), at + widened * max(0.0, high - at)
        found[name] = (max(0.0, low), min(most, high))
    return found


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of `n` independent cases (Wilson 1927); (0, 1) without a case."""
    if n == 0:
        return 0.0, 1.0
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _resamples(n: int, seed: int) -> Iterator[np.ndarray]:
    """How often each text was drawn, float64 (block, n), block by block."""
    rng = np.random.default_rng(seed)
    left = int(np.clip(_DRAWS // n, FEWEST_RESAMPLES, MOST_RESAMPLES))
    while left > 0:
        block = min(left, max(1, _BLOCK_DRAWS // n))
        places = rng.integers(0, n, (block, n)) + n * np.arange(block)[:, None]
        yield np.bincount(places.ravel(), minlength=block * n).reshape(block, n).astype(float)
        left -= block


class _Statistics:
    """What each text adds to the figures, so that the figures of any weighting of the texts are sums."""

    def __init__(self, targets: Targets, confidences: np.ndarray, given: np.ndarray) -> None:
        truth = targets.matrix
        self.single = targets.kind == "single"
        self.hits = (truth & given).astype(float)
        self.given = given.astype(float)
        self.due = truth.astype(float)
        self.only_given = given.any(axis=0) & ~truth.any(axis=0)
        has_label = truth.any(axis=1)
        right = (truth == given).all(axis=1)
        loss = log_losses(targets, confidences)
        if self.single:
            brier = ((confidences - truth) ** 2).sum(axis=1) / 2
            hamming = right.astype(float)
        else:
            brier = ((confidences - truth) ** 2).mean(axis=1)
            hamming = (truth == given).mean(axis=1)
        empty = has_label & ~given.any(axis=1)
        self.sums = np.stack([hamming, right, loss, brier, empty, has_label], axis=1).astype(float)
        self.bins, self.answers, self.variances = _bin_sums(targets, confidences, given)
        # Shares of texts: those on which the answer is right or wrong as a whole, with the number of texts.
        self.shares = {"subset_accuracy": len(truth), "empty_share": int(has_label.sum())}
        if self.single:
            self.shares["accuracy"] = len(truth)

    def calibration_error_by_chance(self, seed: int) -> float:
        """The 95 % quantile of the calibration error that so many answers show if their confidences are right.

        Consistency resampling (Bröcker and Smith, "Increasing the reliability of reliability diagrams", 2007),
        with normal sums of the bins.
        """
        noise = np.random.default_rng(seed).normal(size=(MOST_RESAMPLES, N_BINS)) * np.sqrt(self.variances)
        return float(np.quantile(np.abs(noise).sum(axis=1), 0.95) / (len(self.sums) * self.answers))

    def figures(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Each figure for each row of `counts` (n_resamples, n_texts)."""
        n = counts.sum(axis=1)
        hits, given, due = counts @ self.hits, counts @ self.given, counts @ self.due
        hamming, right, loss, brier, empty, has_label = (counts @ self.sums).T
        # A label of which no text was drawn says nothing about the label, so its figures are left out of that
        # resample; one that no text carries at all but some are given stays in with 0, as in the figure itself.
        counted = (due > 0) | self.only_given
        bins = np.abs(counts @ self.bins).sum(axis=1) / (n * self.answers)
        return {
            "accuracy": hamming / n,
            "macro_precision": _mean(_share(hits, given), counted),
            "macro_recall": _mean(_share(hits, due), counted),
            "macro_f1": _mean(_share(2 * hits, given + due), counted),
            "micro_f1": _share(2 * hits.sum(axis=1), given.sum(axis=1) + due.sum(axis=1)),
            "subset_accuracy": right / n,
            "loss": loss / n,
            "brier": brier / n,
            "calibration_error": bins,
            "empty_share": _share(empty, has_label),
        }


def _bin_sums(targets: Targets, confidences: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
    """What each text adds to (right − confidence) of each bin, (n_texts, bins), the answers a text, and the
    variance of each bin's sum if the confidences were right.
    """
    sure, right = sureness(targets, confidences, given)
    n, answers = sure.shape
    places = bins_of(sure) + N_BINS * np.arange(n)[:, None]
    sums = np.bincount(places.ravel(), weights=(right - sure).ravel(), minlength=n * N_BINS)
    variances = np.bincount(bins_of(sure).ravel(), weights=(sure * (1 - sure)).ravel(), minlength=N_BINS)
    return sums.reshape(n, N_BINS), answers, variances


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))


def _mean(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    return np.asarray((values * counted).sum(axis=1) / np.maximum(1, counted.sum(axis=1)))
