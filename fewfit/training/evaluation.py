"""The report of an evaluation: how good, on what, and how much tuning brought."""

from dataclasses import asdict, dataclass
from typing import Any

from fewfit.training.metrics import LabelMetrics, Metrics


@dataclass(frozen=True)
class Evaluation:
    """How good a model is on labelled texts, beside the frozen base it stands on.

    `metrics` are the model's, `frozen` those of the untuned base with a head fitted on the same training
    examples (None where the base's weights are not at hand). Shares run from 0 to 1.
    """

    metrics: Metrics
    frozen: Metrics | None

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

    def to_dict(self) -> dict[str, Any]:
        """The whole report as plain JSON types."""
        return {
            "n_texts": self.n_texts,
            "metrics": self.metrics.numbers(),
            "frozen": None if self.frozen is None else self.frozen.numbers(),
            "gain": self.gain,
            "per_label": [asdict(label) for label in self.per_label],
        }
