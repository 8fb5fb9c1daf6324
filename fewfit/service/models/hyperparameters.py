"""What a user's hyperparameters do to training."""

import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final, cast

from fewfit.errors import InputError
from fewfit.service.records import Hyperparameters

if TYPE_CHECKING:
    from fewfit.training import Effort, TrainingSettings

# What tuning an encoder bears. Chat models were trained with 0.01, which leaves nothing of one.
LEARNING_RATES: Final = (1e-5, 1e-3)
# Below 8 texts a batch has hardly two of one label, which the contrastive loss compares.
BATCH_SIZES: Final = (8, 256)
STEPS: Final = (30, 2000)
EFFORTS: Final = ("quick", "balanced", "thorough")

_UNUSED = ("early_stopping_patience", "early_stopping_threshold", "lora_alpha", "lora_rank", "lora_target_modules")


def training_settings(
    values: Hyperparameters, *, effort: str, n_texts: int
) -> tuple["TrainingSettings | None", list[str]]:
    """Settings for `Classifier` (None: those of the effort), and warnings about what was changed or not used."""
    from fewfit.training import TrainingSettings

    given = {name: value for name, value in asdict(values).items() if value is not None}
    warnings = [f"{name} has no effect here." for name in _UNUSED if name in given]
    if not given.keys() - {*_UNUSED, "effort"}:
        return None, warnings
    settings = TrainingSettings.for_effort(cast("Effort", effort))
    if values.learning_rate is not None:
        rate = _within("learning_rate", values.learning_rate, LEARNING_RATES, warnings)
        settings = replace(settings, learning_rate=rate)
    if values.train_batch_size is not None:
        size = _within("train_batch_size", values.train_batch_size, BATCH_SIZES, warnings)
        settings = replace(settings, batch_size=int(size))
    if values.train_epochs is not None:
        wanted = values.train_epochs * -(-n_texts // settings.batch_size)
        steps = min(max(wanted, STEPS[0]), STEPS[1])
        if steps != wanted:
            warnings.append(
                f"train_epochs is {values.train_epochs}, which makes {wanted:,} steps; {steps:,} were taken "
                f"({STEPS[0]} to {STEPS[1]:,} are useful)."
            )
        settings = replace(settings, steps=int(steps))
    return settings, warnings


def check_hyperparameters(values: Hyperparameters) -> None:
    """Raises InputError for values that make no sense at all."""
    least: dict[str, float] = {
        "train_epochs": 1,
        "train_batch_size": 1,
        "early_stopping_patience": 0,
        "early_stopping_threshold": 0,
        "lora_alpha": 0,
        "lora_rank": 0,
    }
    for name, value in asdict(values).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{name} is {value}; expected a finite number.")
        if name in least and value is not None and value < least[name]:
            raise InputError(f"{name} is {value}; expected at least {least[name]}.")
    if values.effort is not None and values.effort not in EFFORTS:
        raise InputError(f"effort is {values.effort!r}; expected one of {', '.join(EFFORTS)}.")
    if values.learning_rate is not None and values.learning_rate <= 0:
        raise InputError(f"learning_rate is {values.learning_rate}; expected a number above 0.")


def _within(name: str, value: float, bounds: tuple[float, float], warnings: list[str]) -> float:
    used = min(max(value, bounds[0]), bounds[1])
    if used != value:
        warnings.append(f"{name} is {value:g}; {used:g} was used ({bounds[0]:g} to {bounds[1]:g} are useful).")
    return used
