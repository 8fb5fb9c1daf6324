"""How a model is trained: every knob of the method, with the value that holds on many tasks."""

from dataclasses import dataclass, replace
from typing import Literal

Effort = Literal["quick", "balanced", "thorough"]


@dataclass(frozen=True)
class TrainingSettings:
    """The knobs of the few-shot method. The defaults are what `benchmarks/` was measured with.

    `tail_layers` is how many upper layers are tuned (None: the base's own default). `steps` is how many
    optimiser steps (None: at least 30, and at least four times each text), `batch_size` how many texts a
    step. `learning_rate` is the peak, warmed up over the first tenth and decayed linearly to zero (None: 1e-4 for
    layers 384 wide, and the less the wider they are).
    Three losses can be mixed by weight: `cosine_weight` for the cosine similarity of pairs,
    `contrastive_weight` for supervised contrast (its `temperature` divides the similarities),
    `classification_weight` for cross-entropy through a linear head; see `fewfit.training.losses`.
    `n_folds` is how many out-of-fold tails are tuned for thresholds, calibration and the choice between
    the tuned and the frozen tail (0: none, then these come from the frozen base alone). `batch_tokens` is
    how many padded tokens go through the trunk at once; it changes speed and memory only.
    """

    tail_layers: int | None = None
    steps: int | None = None
    batch_size: int = 32
    learning_rate: float | None = None
    weight_decay: float = 0.01
    dropout: float = 0.1
    cosine_weight: float = 1.0
    contrastive_weight: float = 0.0
    temperature: float = 0.1
    classification_weight: float = 0.0
    n_folds: int = 2
    batch_tokens: int = 2048

    @classmethod
    def for_effort(cls, effort: Effort) -> "TrainingSettings":
        """The settings behind an effort: `quick` has no out-of-fold tails, `thorough` more of them."""
        folds = {"quick": 0, "balanced": 2, "thorough": 5}
        return replace(cls(), n_folds=folds[effort])
