"""The report of an evaluation: how good, on what, how sure that is, where it is wrong, what tuning brought."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from fewfit.training.intervals import Intervals, intervals
from fewfit.training.metrics import LabelMetrics, Metrics, score
from fewfit.training.mistakes import Mistake, confusion, worst_mistakes
from fewfit.training.reliability import ReliabilityBin, reliability
from fewfit.training.targets import Targets
from fewfit.training.threshold_curves import Curve, threshold_curves

EvaluatedOn = Literal["eval", "held_out", "cross_validation"]


@dataclass(frozen=True)
class Evaluation:
    """How good a model is on labelled texts, beside the frozen base it stands on.

    `metrics` are the model's, `frozen` those of the untuned base with a head fitted on the same training
    examples (None where the base's weights are not at hand). Shares run from 0 to 1. `intervals` has the 95 %
    interval of each of the model's figures. `confusion` counts, row: the true label, column: the label given
    (None in multilabel tasks); `threshold_curves` has precision, recall and F1 of each label over its
    threshold (None in single-label tasks). `mistakes` are the texts with the surest wrong answers.
    `evaluated_on` says which texts: "eval" for texts that were given to evaluate on, "held_out" for a part kept
    out of training, "cross_validation" for the training texts, each answered by a model that had not seen it and
    was trained on `n_trained` texts at the most, without one of `n_folds` parts (both None otherwise).
    """

    metrics: Metrics
    frozen: Metrics | None
    intervals: Intervals = field(default_factory=dict)
    confusion: list[list[int]] | None = None
    reliability: list[ReliabilityBin] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    threshold_curves: dict[str, Curve] | None = None
    evaluated_on: EvaluatedOn = "eval"
    n_trained: int | None = None
    n_folds: int | None = None

    @property
    def n_texts(self) -> int:
        """How many texts were compared."""
        return self.metrics.n_texts

    @property
    def accuracy(self) -> float:
        """Share of right answers (multilabel: the Hamming score)."""
        return self.metrics.accuracy

    @property
    def macro_precision(self) -> float:
        """Precision, averaged over labels."""
        return self.metrics.macro_precision

    @property
    def macro_recall(self) -> float:
        """Recall, averaged over labels."""
        return self.metrics.macro_recall

    @property
    def macro_f1(self) -> float:
        """F1, averaged over labels."""
        return self.metrics.macro_f1

    @property
    def loss(self) -> float:
        """Mean log-loss, in nats."""
        return self.metrics.loss

    @property
    def per_label(self) -> list[LabelMetrics]:
        """Precision, recall, F1 and support of each label."""
        return self.metrics.per_label

    @property
    def gain(self) -> dict[str, float] | None:
        """What tuning brought over the frozen base, figure by figure; negative is worse (loss: better)."""
        if self.frozen is None:
            return None
        before = self.frozen.numbers()
        return {name: value - before[name] for name, value in self.metrics.numbers().items()}

    def to_dict(self, *, texts: bool = True) -> dict[str, Any]:
        """The whole report as plain JSON types; without `texts`, no text of the data is in it."""
        return {
            "evaluated_on": self.evaluated_on,
            "n_texts": self.n_texts,
            "n_trained": self.n_trained,
            "n_folds": self.n_folds,
            "metrics": self.metrics.numbers(),
            "intervals": {name: list(edges) for name, edges in self.intervals.items()},
            "frozen": None if self.frozen is None else self.frozen.numbers(),
            "gain": self.gain,
            "per_label": [asdict(label) for label in self.per_label],
            "confusion": self.confusion,
            "reliability": [bin_.to_dict() for bin_ in self.reliability],
            "mistakes": [mistake.to_dict() for mistake in self.mistakes] if texts else [],
            "threshold_curves": self.threshold_curves,
        }


def evaluate_answers(
    targets: Targets,
    confidences: np.ndarray,
    given: np.ndarray,
    texts: Sequence[str],
    *,
    frozen: Metrics | None = None,
    evaluated_on: EvaluatedOn = "eval",
    n_trained: int | None = None,
    n_folds: int | None = None,
) -> Evaluation:
    """Everything about answers: `confidences` are probabilities, `given` the labels given, both (n_texts, n_labels).

    The intervals of answers that come from `n_folds` models are wider.
    """
    single = targets.kind == "single"
    return Evaluation(
        metrics=score(targets, confidences, given),
        frozen=frozen,
        intervals=intervals(targets, confidences, given, widened=_widened(n_folds)),
        confusion=confusion(targets, given) if single else None,
        reliability=reliability(targets, confidences, given),
        mistakes=worst_mistakes(targets, confidences, given, texts),
        threshold_curves=None if single or targets.groups else threshold_curves(targets, confidences),
        evaluated_on=evaluated_on,
        n_trained=n_trained,
        n_folds=n_folds,
    )


def _widened(n_folds: int | None) -> float:
    """How much wider an interval is than that of as many texts beside the training data.

    Models that share training texts err together, and each had fewer texts than the model that is kept. As wide as
    if there were only as many texts as each was trained on; Nadeau and Bengio's correction ("Inference for the
    generalization error", 2003) is wider still. Measured, see docs/evaluation.md.
    """
    return 1.0 if n_folds is None else math.sqrt(n_folds / (n_folds - 1))
