"""Honest confidences: how much to trust the head's logits, learnt from texts it was not fitted on."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from fewfit.decision import Calibration
from fewfit.training.heads import unseen
from fewfit.training.targets import Targets

# How far a fitted value may leave its prior, as the weight of that many examples. Beyond PRIOR_REACH (in the logarithm
# of the scale) the pull on a single temperature grows no more, so that clear evidence is heard even from 16 texts: that
# a task is easy, and confidences should be high. With a weight of 25 it was not; see benchmarks/README.md.
PRIOR_EXAMPLES = 20.0
TEMPERATURE_PRIOR_EXAMPLES = 10.0
PRIOR_REACH = 0.25
# What was right for tuned models on 31 samples of 8 tasks (english-small, 8 a label to 64): 0.3 to 1.0 with 2 labels,
# 0.4 to 0.9 with 4 or 5, 1.3 with 6, 2.0 with 15 and 1.6 with 64. A softmax over more labels is less sure at the same
# penalty. Tasks that are hardly learnable are at the lower end: the texts held out say which those are.
PRIOR_SCALE_A_ROOT_LABEL = 0.4
LARGEST_PRIOR_SCALE = 2.0
LARGEST_LOG_SCALE = 3.0


def prior_calibration(targets: Targets) -> Calibration:
    """The calibration to start from, before any out-of-fold answer is known."""
    if targets.groups:
        return _by_group(targets, [prior_calibration(targets.of_group(columns)) for columns in targets.groups])
    scale = 1.0
    if targets.kind == "single":
        scale = min(LARGEST_PRIOR_SCALE, PRIOR_SCALE_A_ROOT_LABEL * targets.n_labels**0.5)
    return Calibration(np.full(targets.n_labels, scale), np.zeros(targets.n_labels))


def fit_calibration(
    logits: np.ndarray,
    targets: Targets,
    *,
    prior_scale: float | None = None,
    temperature_prior_examples: float = TEMPERATURE_PRIOR_EXAMPLES,
) -> Calibration:
    """Fits a calibration on out-of-fold logits (n_texts, n_labels).

    Single-label: one temperature, in groups one for each. Multilabel: first one line for all labels, then a line a
    label drawn towards it, the more so the fewer positives the label has. All are drawn towards `prior_scale`
    (None: that of `prior_calibration`, right for tuned models) where there are few texts; the temperature's
    prior weighs as much as `temperature_prior_examples` of them.
    """
    if targets.groups:
        fitted = [
            fit_calibration(
                logits[:, list(columns)],
                targets.of_group(columns),
                prior_scale=prior_scale,
                temperature_prior_examples=temperature_prior_examples,
            )
            for columns in targets.groups
        ]
        return _by_group(targets, fitted)
    if prior_scale is None:
        prior_scale = float(prior_calibration(targets).scale[0])
    if targets.kind == "single":
        return _fit_temperature(logits, targets, prior_scale, temperature_prior_examples)
    return _fit_lines(logits, targets, prior_scale)


def fit_frozen_calibration(logits: np.ndarray, targets: Targets) -> Calibration:
    """The calibration of heads on the untuned base, fitted on their out-of-fold logits (n_texts, n_labels)."""
    # They are less sure of themselves than tuned models, and how much less differs more from task to task.
    return fit_calibration(logits, targets, prior_scale=1.0, temperature_prior_examples=PRIOR_EXAMPLES)


def _by_group(targets: Targets, calibrations: Sequence[Calibration]) -> Calibration:
    """The calibrations of the groups as one, a column a label."""
    scale, offset = np.ones(targets.n_labels), np.zeros(targets.n_labels)
    for columns, calibration in zip(map(list, targets.groups), calibrations, strict=True):
        scale[columns], offset[columns] = calibration.scale, calibration.offset
    return Calibration(scale, offset)


def _fit_temperature(logits: np.ndarray, targets: Targets, prior_scale: float, prior_examples: float) -> Calibration:
    # A text whose label the head had never seen says nothing of how sure it may be of the others.
    known = ~unseen(logits[np.arange(len(targets)), targets.index])
    logits, index = logits[known], targets.index[known]
    rows = np.arange(len(index))

    def cost(log_scale: float) -> float:
        scaled = logits * np.exp(log_scale)
        loss = np.logaddexp.reduce(scaled, axis=1) - scaled[rows, index]
        away = (log_scale - np.log(prior_scale)) / PRIOR_REACH
        # Pseudo-Huber: a parabola near the prior, a line far from it.
        return float(loss.sum() + prior_examples * PRIOR_REACH**2 * (np.hypot(1.0, away) - 1.0))

    found = minimize_scalar(cost, bounds=(-LARGEST_LOG_SCALE, LARGEST_LOG_SCALE), method="bounded")
    scale = float(np.exp(found.x))
    return Calibration(np.full(targets.n_labels, scale), np.zeros(targets.n_labels))


def _fit_lines(logits: np.ndarray, targets: Targets, prior_scale: float) -> Calibration:
    truth = targets.matrix.astype(float)
    common = _fit_line(logits.ravel(), truth.ravel(), np.array([np.log(prior_scale), 0.0]), PRIOR_EXAMPLES)
    lines = np.array(
        [_fit_line(logits[:, column], truth[:, column], common, PRIOR_EXAMPLES) for column in range(targets.n_labels)]
    )
    return Calibration(np.exp(lines[:, 0]), lines[:, 1])


def _fit_line(logits: np.ndarray, truth: np.ndarray, prior: np.ndarray, weight: float) -> np.ndarray:
    """Log scale and offset that make sigmoid(exp(log_scale) * logit + offset) fit, drawn towards `prior`."""

    def cost(line: np.ndarray) -> tuple[float, np.ndarray]:
        scale = np.exp(line[0])
        scaled = scale * logits + line[1]
        away = line - prior
        loss = np.logaddexp(0.0, scaled).sum() - (truth * scaled).sum() + weight / 2 * (away**2).sum()
        error = np.exp(-np.logaddexp(0.0, -scaled)) - truth
        gradient = np.array([(error * logits).sum() * scale, error.sum()]) + weight * away
        return float(loss), gradient

    bounds = [(-LARGEST_LOG_SCALE, LARGEST_LOG_SCALE), (-20.0, 20.0)]
    return np.asarray(minimize(cost, prior, jac=True, bounds=bounds, method="L-BFGS-B").x)
