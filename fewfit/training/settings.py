"""How a model is trained: every knob of the method, with the value that holds on many tasks."""

from dataclasses import dataclass, replace
from numbers import Real
from typing import Literal, get_args

from fewfit.errors import InputError

Effort = Literal["quick", "balanced", "thorough"]


_LEAST = {
    "tail_layers": 1,
    "all_layers_from": 1,
    "lora_rank": 0,
    "steps": 1,
    "batch_size": 2,
    "weight_decay": 0,
    "cosine_weight": 0,
    "contrastive_weight": 0,
    "classification_weight": 0,
    "label_names_weight": 0,
    "n_folds": 0,
    "batch_tokens": 1,
}


# With two labels and so many texts of each, `thorough` tunes all layers in more steps: 1.7 points more on two tasks,
# for five times the time (benchmarks/README.md).
THOROUGH_ALL_LAYERS_FROM = 64


@dataclass(frozen=True)
class TrainingSettings:
    """The knobs of the few-shot method. The defaults are what `benchmarks/` was measured with.

    `tail_layers` is how many upper layers are tuned (None: the base's own default). Their attention is tuned, and
    what it has become is kept as a change of rank `lora_rank` (None: 32, and 64 with several labels a text): such a
    model takes a fraction of the memory, and a hundred of them are served nearly as fast as one. With 0 all weights are
    tuned and kept, as they are by default in bases more than 512 wide, and in encoders of other kinds than BERT's.
    `steps` is how many optimiser steps (None: one for each text that a label has, 30 to 60, and at least four times
    each text), `batch_size` how many texts a step. With two labels and at least `all_layers_from` texts a label (None:
    never), a depth and steps that are left open are all layers of a base of at most six, and 240 or more.
    `learning_rate` is the peak, warmed up over the first tenth and decayed linearly to zero (None: 2e-4 for attention;
    docs/training.md has those of other cases), `dropout` the share of values that a step leaves out.
    Three losses can be mixed by weight: `cosine_weight` for the cosine similarity of pairs,
    `contrastive_weight` for supervised contrast (its `temperature` divides the similarities),
    `classification_weight` for cross-entropy through a linear head; see `fewfit.training.losses`.
    `label_names_weight` adds what the labels are called (its `label_names_temperature` divides the similarities of
    texts and names), where the names say something about the texts; see `fewfit.training.label_names`.
    `n_folds` is how many out-of-fold tails are tuned for thresholds, calibration and the choice between
    the tuned and the frozen tail (0: none, then these come from the frozen base alone). `batch_tokens` is
    how many padded tokens go through the trunk at once; it changes speed and memory only.
    """

    tail_layers: int | None = None
    lora_rank: int | None = None
    steps: int | None = None
    all_layers_from: int | None = None
    batch_size: int = 32
    learning_rate: float | None = None
    weight_decay: float = 0.01
    dropout: float = 0.0
    cosine_weight: float = 1.0
    contrastive_weight: float = 0.0
    temperature: float = 0.1
    classification_weight: float = 0.0
    label_names_weight: float = 1.0
    label_names_temperature: float = 0.2
    n_folds: int = 2
    batch_tokens: int = 2048

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and value >= least):
                raise InputError(f"{name} is {value!r}; expected {least} or more.")
        for name in ("learning_rate", "temperature", "label_names_temperature"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and value > 0):
                raise InputError(f"{name} is {value!r}; expected more than 0.")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {self.dropout}; expected a share from 0 to below 1.")
        if self.n_folds == 1:
            raise InputError("n_folds is 1; expected 0 (nothing is held out) or at least 2.")

    @classmethod
    def for_effort(cls, effort: Effort) -> "TrainingSettings":
        """The settings behind an effort: `quick` has no out-of-fold tails, `thorough` more of them, and deeper ones."""
        folds = {"quick": 0, "balanced": 2, "thorough": 5}
        if effort not in folds:
            raise InputError(f"effort is {effort!r}; expected one of: {', '.join(get_args(Effort))}.")
        all_layers_from = THOROUGH_ALL_LAYERS_FROM if effort == "thorough" else None
        return replace(cls(), n_folds=folds[effort], all_layers_from=all_layers_from)


def _is_number(value: object) -> bool:
    return isinstance(value, Real)
