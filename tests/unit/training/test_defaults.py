import pytest

from fewfit.training import TrainingSettings
from fewfit.training.defaults import steps_for


@pytest.mark.parametrize(
    ("n_texts", "n_labels", "steps"),
    [
        (16, 2, 30),
        (120, 15, 30),
        (90, 2, 45),  # one for each text of a label
        (128, 2, 60),
        (400, 2, 60),
        (1000, 2, 125),  # four passes in batches of 32
        (1000, 100, 125),
    ],
)
def test_steps_grow_with_the_texts_of_a_label(n_texts: int, n_labels: int, steps: int) -> None:
    assert steps_for(n_texts, n_labels, TrainingSettings()) == steps
    assert steps_for(n_texts, n_labels, TrainingSettings(steps=7)) == 7
