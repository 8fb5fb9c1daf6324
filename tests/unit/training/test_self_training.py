"""Which unlabelled texts are learnt from, and what they are taken for."""

import numpy as np

from fewfit.training import Targets
from fewfit.training.self_training import pseudo_labels, sampled


def _confidences(*rows: tuple[float, float, float]) -> np.ndarray:
    return np.array(rows)


def test_each_label_gets_the_texts_that_are_surest_of_it() -> None:
    targets = Targets.from_labels(["a", "a", "b", "c"])
    sure, unsure = (0.9, 0.05, 0.05), (0.5, 0.4, 0.1)
    confidences = _confidences(*[unsure] * 15, sure, *[unsure] * 14, (0.8, 0.1, 0.1), (0.1, 0.8, 0.1))
    rows, labels = pseudo_labels(confidences, targets)
    assert sorted(rows) == [15, 30, 31]
    assert [targets.labels[column] for column in labels.argmax(axis=1)] == ["a", "a", "b"]
    assert (labels.sum(axis=1) == 1).all()


def test_no_more_than_there_are_labelled_ones_and_a_tenth_of_the_label() -> None:
    targets = Targets.from_labels(["a"] * 2 + ["b"] * 20 + ["c"] * 20)
    confidences = np.concatenate([np.tile(row, (50, 1)) for row in np.eye(3)])
    rows, labels = pseudo_labels(confidences, targets)
    assert list(labels.sum(axis=0)) == [2, 5, 5]
    assert len(set(rows)) == 12


def test_a_label_that_no_text_gets_has_none() -> None:
    targets = Targets.from_labels(["a", "b", "c"])
    rows, labels = pseudo_labels(_confidences((0.9, 0.1, 0.0)), targets)
    assert list(rows) == [0]
    assert list(labels[0]) == [True, False, False]


def test_a_sample_keeps_the_order_and_the_seed_decides() -> None:
    texts = [f"text {number:03}" for number in range(100)]
    assert sampled(texts, 100, seed=0) == texts
    some = sampled(texts, 10, seed=0)
    assert some == sorted(some)
    assert len(set(some)) == 10
    assert some == sampled(texts, 10, seed=0)
    assert some != sampled(texts, 10, seed=1)
