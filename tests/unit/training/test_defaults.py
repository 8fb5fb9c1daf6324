from types import SimpleNamespace
from typing import Any

import pytest

from fewfit.training import Targets, TrainingSettings
from fewfit.training.defaults import steps_for, tail_layers_for, tunes_all_layers


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


@pytest.mark.parametrize(("n_texts", "steps"), [(128, 240), (1000, 240), (5000, 625)])
def test_all_layers_take_more_steps(n_texts: int, steps: int) -> None:
    assert steps_for(n_texts, 2, TrainingSettings(), all_layers=True) == steps
    assert steps_for(n_texts, 2, TrainingSettings(steps=7), all_layers=True) == 7


def _encoder(n_layers: int = 6, width: int = 384, *, low_rank: bool = True) -> Any:
    config = SimpleNamespace(n_layers=n_layers, hidden_size=width, splittable=True)
    return SimpleNamespace(
        config=config, has_low_rank_form=low_rank, weights=SimpleNamespace(base=SimpleNamespace(tail_layers=4))
    )


def test_thorough_tunes_all_layers_of_a_small_base_where_two_labels_have_many_texts() -> None:
    thorough = TrainingSettings.for_effort("thorough")
    two, three = Targets.from_labels(["a", "b"] * 64), Targets.from_labels(["a", "b", "c"] * 64)
    assert tunes_all_layers(_encoder(), two, thorough)
    assert tail_layers_for(_encoder(), thorough, all_layers=True) == 6
    assert tail_layers_for(_encoder(), TrainingSettings(tail_layers=2), all_layers=True) == 2
    others = [
        (_encoder(), Targets.from_labels(["a", "b"] * 63), thorough),
        (_encoder(), three, thorough),
        (_encoder(), Targets.from_labels([["a"], ["b"]] * 64), thorough),
        (_encoder(n_layers=12), two, thorough),
        (_encoder(width=768), two, thorough),
        (_encoder(low_rank=False), two, thorough),
        (_encoder(), two, TrainingSettings.for_effort("balanced")),
    ]
    for encoder, targets, settings in others:
        assert not tunes_all_layers(encoder, targets, settings)
        assert tail_layers_for(encoder, settings) == 4
