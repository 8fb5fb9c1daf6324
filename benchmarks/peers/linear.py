"""What the methods with a logistic regression on fixed features have in common."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier

from benchmarks.peers.protocol import Clock, Job, Prediction, Reply

N_FOLDS = 5
THRESHOLDS = np.arange(0.05, 0.951, 0.025)


def balanced_head(kind: str, C: float) -> LogisticRegression | OneVsRestClassifier:
    """Class-balanced logistic regression; in multilabel tasks an independent one a label."""
    head = LogisticRegression(C=C, class_weight="balanced", max_iter=1000)
    return OneVsRestClassifier(head) if kind == "multi" else head


def head_targets(job: Job) -> Any:
    """The training targets as scikit-learn wants them: names, or an indicator matrix."""
    return np.array(job.indicator) if job.kind == "multi" else np.array([target[0] for target in job.targets])


def fitted_threshold(model: Any, features: Any, indicator: np.ndarray, seed: int) -> float:
    """The cut-off, one for all labels, with the best macro-F1 on out-of-fold probabilities."""
    n_folds = min(N_FOLDS, len(indicator))
    folds = KFold(n_folds, shuffle=True, random_state=seed)
    outside = cross_val_predict(model, features, indicator, cv=folds, method="predict_proba")
    scores = [f1_score(indicator, outside >= t, average="macro", zero_division=0.0) for t in THRESHOLDS]
    return float(THRESHOLDS[int(np.argmax(scores))])


def given(job: Job, probabilities: np.ndarray, threshold: float = 0.5) -> list[list[str]]:
    """The labels of each text: the likeliest one, or all from the threshold on (multilabel)."""
    if job.kind == "single":
        return [[job.labels[column]] for column in probabilities.argmax(axis=1)]
    return [[label for label, p in zip(job.labels, row, strict=True) if p >= threshold] for row in probabilities]


def reply(
    job: Job,
    clock: Clock,
    probabilities_of: Callable[[list[str]], np.ndarray],
    *,
    threshold: float = 0.5,
    **notes: Any,
) -> Reply:
    """Answers for every test language from a function that gives (n_texts, n_labels) probabilities."""
    predictions = {}
    for language, texts in job.tests.items():
        start = time.perf_counter()
        probabilities = probabilities_of(texts)
        labels = given(job, probabilities, threshold)
        predict_s = time.perf_counter() - start
        predictions[language] = Prediction(labels, probabilities.tolist(), predict_s)
    return Reply(job.labels, predictions, clock.wall_s, clock.cpu_s, notes)
