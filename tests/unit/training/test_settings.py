from typing import Any

import pytest

from fewfit.errors import InputError
from fewfit.training import TrainingSettings


@pytest.mark.parametrize(
    ("knobs", "fragment"),
    [
        ({"steps": 0}, "steps is 0; expected 1 or more"),
        ({"steps": "x"}, "steps is 'x'; expected 1 or more"),
        ({"learning_rate": "x"}, "learning_rate is 'x'; expected more than 0"),
        ({"batch_size": 1}, "batch_size is 1; expected 2 or more"),
        ({"tail_layers": 0}, "tail_layers is 0; expected 1 or more"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; expected more than 0"),
        ({"temperature": float("nan")}, "temperature is nan; expected more than 0"),
        ({"dropout": 1.0}, "dropout is 1.0; expected a share"),
        ({"n_folds": 1}, "n_folds is 1; expected 0"),
        ({"batch_tokens": 0}, "batch_tokens is 0"),
    ],
)
def test_a_knob_out_of_its_range_is_refused(knobs: dict[str, Any], fragment: str) -> None:
    with pytest.raises(InputError) as caught:
        TrainingSettings(**knobs)
    assert fragment in str(caught.value)


def test_more_effort_holds_more_out() -> None:
    folds = [TrainingSettings.for_effort(effort).n_folds for effort in ("quick", "balanced", "thorough")]
    assert folds == sorted(folds)
    assert folds[0] == 0
