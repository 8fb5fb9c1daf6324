"""Linear heads on embeddings: the last step from a vector to the labels' logits."""

import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from sklearn.linear_model import LogisticRegression

from fewfit.decision import Head
from fewfit.training.targets import Targets

# scikit-learn's C. Unit-length embeddings need a weak penalty: 10 was within noise of the best of 1, 10, 100 and 1,000.
INVERSE_PENALTY = 10.0
# A tuned tail knows its texts by heart and sets them further apart than new ones: from 25 texts a label on, more of
# them make the penalty stronger instead of the head surer. Worth 0.3 points at 64 a label (benchmarks/README.md).
TUNED_EVIDENCE = 250.0
MAX_ITERATIONS = 1000

# What a softmax says of a label that it was fitted without: e^-30.
UNSEEN_LOGIT = -30.0

_ClassWeight = Mapping[Any, float] | Literal["balanced"]


def fit_head(embeddings: np.ndarray, targets: Targets, *, tuned: bool = False) -> Head:
    """Logistic regression, class-balanced unless the targets have weights: softmax, or one yes/no a label.

    Of labels in groups, each group has a softmax of its own. `tuned` says that the embeddings (n_texts, embedding) are
    by a tail that was tuned on these texts, or most of them: with many of them the penalty is stronger then.
    A label that no row has, or that every row has (both happen inside folds), gets a constant answer.
    """
    if targets.kind == "single":
        return _fit_softmax(embeddings, targets, tuned)
    if targets.groups:
        return _fit_groups(embeddings, targets, tuned)
    return _fit_independent(embeddings, targets, tuned)


def unseen(logits: np.ndarray) -> np.ndarray:
    """Which labels the softmax heads behind logits (n_texts, n_labels) were fitted without, boolean of that shape."""
    return logits <= UNSEEN_LOGIT + 1  # no label that is there gets near


def _fit_groups(embeddings: np.ndarray, targets: Targets, tuned: bool) -> Head:
    weight = np.zeros((targets.n_labels, embeddings.shape[1]), dtype=np.float32)
    bias = np.zeros(targets.n_labels, dtype=np.float32)
    for columns in map(list, targets.groups):
        head = _fit_softmax(embeddings, targets.of_group(columns), tuned)
        weight[columns], bias[columns] = head.weight, head.bias
    return Head(weight, bias)


def _fit_softmax(embeddings: np.ndarray, targets: Targets, tuned: bool) -> Head:
    weight = np.zeros((targets.n_labels, embeddings.shape[1]), dtype=np.float32)
    bias = np.full(targets.n_labels, UNSEEN_LOGIT, dtype=np.float32)
    present = np.flatnonzero(targets.counts)
    if len(present) == 1:
        bias[present] = 0.0
        return Head(weight, bias)
    weights: _ClassWeight = "balanced"
    if targets.weights is not None:
        weights = {column: targets.weights[column] for column in present}
    model = _regression(embeddings, targets.index, len(embeddings) / len(present), weights, tuned)
    if len(present) == 2:  # scikit-learn keeps one column for two classes; split it evenly
        weight[present[1]] = model.coef_[0] / 2
        weight[present[0]] = -model.coef_[0] / 2
        bias[present[1]] = model.intercept_[0] / 2
        bias[present[0]] = -model.intercept_[0] / 2
    else:
        weight[present] = model.coef_
        bias[present] = model.intercept_
    return Head(weight, bias)


def _fit_independent(embeddings: np.ndarray, targets: Targets, tuned: bool) -> Head:
    n_texts = len(embeddings)
    weight = np.zeros((targets.n_labels, embeddings.shape[1]), dtype=np.float32)
    bias = np.zeros(targets.n_labels, dtype=np.float32)
    for column, count in enumerate(targets.counts):
        if count in (0, n_texts):
            share = (count + 0.5) / (n_texts + 1)
            bias[column] = np.log(share / (1 - share))
            continue
        weights: _ClassWeight = "balanced" if targets.weights is None else {True: targets.weights[column], False: 1.0}
        model = _regression(embeddings, targets.matrix[:, column], min(count, n_texts - count), weights, tuned)
        weight[column] = model.coef_[0]
        bias[column] = model.intercept_[0]
    return Head(weight, bias)


def _regression(
    embeddings: np.ndarray, wanted: np.ndarray, texts_a_label: float, weights: _ClassWeight, tuned: bool
) -> Any:
    inverse_penalty = INVERSE_PENALTY
    if tuned:
        inverse_penalty = min(inverse_penalty, TUNED_EVIDENCE / texts_a_label)
    model = LogisticRegression(C=inverse_penalty, class_weight=weights, max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings():
        # Few examples of many labels are what fewfit is for; scikit-learn takes them for a regression problem.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        return model.fit(embeddings, wanted)
