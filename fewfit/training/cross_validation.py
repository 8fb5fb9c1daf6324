"""Figures without a file to evaluate on: every training text answered by a model that had not seen it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fewfit.data import stratified_folds
from fewfit.decision import Calibration, Decision, Head
from fewfit.training.calibration import fit_calibration, fit_frozen_calibration
from fewfit.training.evaluation import Evaluation, evaluate_answers
from fewfit.training.heads import fit_head, unseen
from fewfit.training.metrics import score
from fewfit.training.targets import Targets
from fewfit.training.thresholds import fit_thresholds


@dataclass(frozen=True)
class OutOfFold:
    """Logits (n_texts, n_labels) of texts by models that were trained without their fold.

    `tuned` come from tuned tails, `frozen` from heads on the base as it is; `folds` are the positions of the
    texts that were held out together.
    """

    folds: list[np.ndarray]
    tuned: np.ndarray
    frozen: np.ndarray

    @property
    def n_trained(self) -> int:
        """On how many texts the models were trained, at the most."""
        return len(self.tuned) - min(len(fold) for fold in self.folds)

    def answers(self, targets: Targets, *, tuned: bool) -> tuple[np.ndarray, np.ndarray]:
        """Confidences and the labels given by the tuned models or the frozen base, (n_texts, n_labels) each."""
        if tuned:
            return cross_fitted(self.tuned, targets, self.folds)
        return cross_fitted(self.frozen, targets, self.folds, calibrate=fit_frozen_calibration)


def cross_validated_heads(
    embeddings: np.ndarray,
    targets: Targets,
    texts: Sequence[str],
    *,
    n_folds: int = 5,
    repeats: int = 3,
    seed: int = 0,
) -> OutOfFold | None:
    """Logits of heads on untuned embeddings, averaged over several ways to split the texts into folds.

    Cheap: a second for some hundred texts. None where the texts cannot be split into two parts.
    """
    logits = np.zeros((len(targets), targets.n_labels))
    n_folds = min(n_folds, int(targets.counts.max()), len(targets))
    if n_folds < 2:
        return None
    everything = np.arange(len(targets))
    first: list[np.ndarray] = []
    for repeat in range(repeats):
        folds = stratified_folds(texts, targets.as_labels(), n_folds=n_folds, seed=seed + repeat)
        if not folds:
            return None
        first = first or folds
        for fold in folds:
            kept = np.setdiff1d(everything, fold)
            head = fit_head(embeddings[kept], targets.take(kept))
            logits[fold] += head.logits(embeddings[fold]) / repeats
    return OutOfFold(first, logits, logits)


def cross_validated(out_of_fold: OutOfFold, targets: Targets, texts: Sequence[str], *, tuned: bool) -> Evaluation:
    """What a model of these settings is worth on texts that it has not seen, from the texts it is trained on.

    `tuned` says whether the model is the tuned one. Each text's answer comes from a model trained on the other
    folds, with calibration and thresholds fitted on the other folds' logits, so nothing has seen it. Those models
    had fewer texts than the one that is kept, which is therefore likely to be a little better.
    """
    confidences, given = out_of_fold.answers(targets, tuned=tuned)
    frozen = score(targets, *out_of_fold.answers(targets, tuned=False))
    return evaluate_answers(
        targets,
        confidences,
        given,
        texts,
        frozen=frozen,
        evaluated_on="cross_validation",
        n_trained=out_of_fold.n_trained,
        n_folds=len(out_of_fold.folds),
    )


def cross_fitted(
    logits: np.ndarray,
    targets: Targets,
    folds: Sequence[np.ndarray],
    *,
    calibrate: Callable[[np.ndarray, Targets], Calibration] = fit_calibration,
) -> tuple[np.ndarray, np.ndarray]:
    """Confidences and the labels given, (n_texts, n_labels) each, decided on each fold by what the others showed.

    A label that none of the others had, of one text say, is as likely as one that is met for the first time.
    """
    confidences = np.empty(logits.shape)
    given = np.empty(logits.shape, dtype=bool)
    everything = np.arange(len(logits))
    for fold in folds:
        others = np.setdiff1d(everything, fold)
        decision = _decision(logits[others], targets.take(others), calibrate)
        confidences[fold] = decision.confidences(logits[fold])
        given[fold] = decision.matrix(confidences[fold])
        for columns in _exclusive_columns(targets):
            own = np.ix_(fold, np.array(columns))
            confidences[own] = _with_unseen(confidences[own], unseen(logits[own]), len(others))
    return confidences, given


def _exclusive_columns(targets: Targets) -> list[list[int]]:
    """The columns of which one label applies: all, those of each group, or none."""
    if targets.kind == "single":
        return [list(range(targets.n_labels))]
    return [list(columns) for columns in targets.groups]


def _with_unseen(confidences: np.ndarray, missing: np.ndarray, n_seen: int) -> np.ndarray:
    """Confidences in which each label that `n_seen` texts did not have gets a share of one text (Laplace)."""
    n_missing = missing.sum(axis=1, keepdims=True)
    share = 1 / (n_seen + n_missing)
    return np.asarray(np.where(missing, share, confidences * (1 - share * n_missing)))


def _decision(
    logits: np.ndarray, targets: Targets, calibrate: Callable[[np.ndarray, Targets], Calibration]
) -> Decision:
    no_head = Head(np.zeros((targets.n_labels, 0)), np.zeros(targets.n_labels))
    calibration = calibrate(logits, targets)
    decision = Decision(targets.kind, targets.labels, no_head, calibration, groups=targets.groups)
    if decision.exclusive:
        return decision
    return replace(decision, thresholds=fit_thresholds(decision.confidences(logits), targets))
