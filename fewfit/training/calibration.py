"""Honest confidences: how much to trust the head's logits, learnt from texts it was not fitted on."""

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from fewfit.decision import Calibration
from fewfit.training.targets import Targets

# How far a fitted value may leave its prior, as the weight of that many examples.
PRIOR_EXAMPLES = 20.0
LARGEST_LOG_SCALE = 3.0


def fit_calibration(logits: np.ndarray, targets: Targets, *, prior_scale: float = 1.0) -> Calibration:
    """Fits a calibration on out-of-fold logits (n_texts, n_labels).

    Single-label: one temperature. Multilabel: first one line for all labels, then a line a label drawn
    towards it, the more so the fewer positives the label has. Both are drawn towards `prior_scale`
    where there are few texts.
    """
    if targets.kind == "single":
        return _fit_temperature(logits, targets, prior_scale)
    return _fit_lines(logits, targets, prior_scale)


def _fit_temperature(logits: np.ndarray, targets: Targets, prior_scale: float) -> Calibration:
    index = targets.index
    rows = np.arange(len(index))

    def cost(log_scale: float) -> float:
        scaled = logits * np.exp(log_scale)
        loss = np.logaddexp.reduce(scaled, axis=1) - scaled[rows, index]
        return float(loss.sum() + PRIOR_EXAMPLES / 2 * (log_scale - np.log(prior_scale)) ** 2)

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
