from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewfit.data import Dataset, Example, stratified_folds, stratified_split, text_key
from fewfit.errors import InputError


def single(*labels: str) -> Dataset:
    return Dataset(tuple(Example(f"text {n}", (label,), n) for n, label in enumerate(labels)), "single")


def shares(data: Dataset) -> dict[str, float]:
    return {label: count / len(data) for label, count in data.label_counts.items()}


@pytest.mark.parametrize("seed", range(5))
def test_labels_keep_their_shares(seed: int) -> None:
    data = single(*["a"] * 60, *["b"] * 30, *["c"] * 10)

    train, test = stratified_split(data, eval_fraction=0.2, seed=seed)

    assert train.label_counts == {"a": 48, "b": 24, "c": 8}
    assert test.label_counts == {"a": 12, "b": 6, "c": 2}


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5, 0.9])
def test_each_label_is_on_both_sides_and_a_single_text_is_for_training(fraction: float) -> None:
    data = single(*["a"] * 20, "b", "b", "c")

    train, test = stratified_split(data, eval_fraction=fraction)

    assert set(train.label_counts) == {"a", "b", "c"}
    assert set(test.label_counts) == {"a", "b"}


def test_seeds_differ_and_repeat() -> None:
    data = single(*"ab" * 50)

    splits = [stratified_split(data, seed=seed)[1].rows for seed in (0, 1, 0)]

    assert splits[0] == splits[2] != splits[1]


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0])
def test_a_fraction_that_is_none_is_refused(fraction: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        stratified_split(single("a"), eval_fraction=fraction)


def test_no_rows_and_one_row() -> None:
    for data in (Dataset((), "single"), single("a")):
        train, test = stratified_split(data)
        assert (len(train), len(test)) == (len(data), 0)


LABELS = st.sampled_from("abcde")
TEXTS = st.sampled_from([f"text {n}" for n in range(40)] + [f" TEXT  {n}" for n in range(20)])
ROWS = st.lists(st.tuples(TEXTS, st.lists(LABELS, max_size=3, unique=True)), min_size=1, max_size=80)


def multi(rows: list[tuple[str, list[str]]]) -> Dataset:
    return Dataset(tuple(Example(t, tuple(labels), n) for n, (t, labels) in enumerate(rows, 1)), "multi")


@settings(max_examples=150, deadline=None)
@given(ROWS, st.floats(0.05, 0.95), st.integers(0, 5))
def test_a_split_is_whole_keeps_copies_together_and_every_label_in_training(
    rows: list[tuple[str, list[str]]], fraction: float, seed: int
) -> None:
    data = multi(rows)

    train, test = stratified_split(data, eval_fraction=fraction, seed=seed)

    assert sorted(train.rows + test.rows) == data.rows
    assert train.rows == sorted(train.rows)
    assert not {text_key(t) for t in train.texts} & {text_key(t) for t in test.texts}
    assert set(train.label_counts) == set(data.label_counts)


@settings(max_examples=100, deadline=None)
@given(ROWS, st.integers(2, 6), st.integers(0, 5))
def test_folds_are_whole_and_keep_copies_together(rows: list[tuple[str, list[str]]], n_folds: int, seed: int) -> None:
    texts, targets = [t for t, _ in rows], [labels for _, labels in rows]

    folds = stratified_folds(texts, targets, n_folds=n_folds, seed=seed)

    if len({text_key(text) for text in texts}) < 2:
        assert folds == []
        return
    assert sorted(np.concatenate(folds).tolist()) == list(range(len(rows)))
    keys = [{text_key(texts[index]) for index in fold} for fold in folds]
    assert sum(map(len, keys)) == len(set.union(*keys))
    assert len(folds) == min(n_folds, len({text_key(t) for t in texts}))


@settings(max_examples=50, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows: list[tuple[str, list[str]]], random: object) -> None:
    data = multi(rows)
    shuffled = list(data.examples)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    _, test = stratified_split(data, seed=3)
    _, again = stratified_split(data.with_examples(shuffled), seed=3)

    assert sorted(test.rows) == sorted(again.rows)


@pytest.mark.parametrize("n_none", [2, 4, 8, 20])
def test_texts_without_labels_keep_their_share_in_both_parts(n_none: int) -> None:
    examples = [Example(f"text {n}", ("abc"[n % 3],), n) for n in range(36)]
    examples += [Example(f"none {n}", (), 36 + n) for n in range(n_none)]
    for seed in range(4):
        _train, test = stratified_split(Dataset(tuple(examples), "multi"), seed=seed)
        held_out = sum(not example.labels for example in test.examples)
        assert abs(held_out - 0.2 * n_none) <= 1
        assert 0 < held_out < n_none
        assert abs(len(test) - 0.2 * len(examples)) <= 2


def test_folds_are_balanced_in_single_label_data() -> None:
    labels = ["a"] * 30 + ["b"] * 15 + ["c"] * 6

    folds = stratified_folds([f"text {n}" for n in range(51)], labels, n_folds=3)

    for fold in folds:
        assert Counter(labels[index] for index in fold) == {"a": 10, "b": 5, "c": 2}


def test_folds_are_balanced_in_multilabel_data() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.random((600, 8)) < np.linspace(0.02, 0.5, 8)
    targets = [[f"label {column}" for column in np.flatnonzero(row)] for row in matrix]

    folds = stratified_folds([f"text {n}" for n in range(600)], targets, n_folds=3, seed=1)

    counts = np.stack([matrix[fold].sum(axis=0) for fold in folds])  # (n_folds, n_labels)
    assert (counts.max(axis=0) - counts.min(axis=0) <= 2).all()
    assert all(abs(len(fold) - 200) <= 6 for fold in folds)


def test_folds_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="at least 2"):
        stratified_folds(["a"], ["x"], n_folds=1)
    with pytest.raises(InputError, match="one label a text"):
        stratified_folds(["a"], ["x", "y"], n_folds=2)


def test_fewer_texts_than_folds_make_fewer_folds() -> None:
    assert [fold.tolist() for fold in stratified_folds(["a", "A", "b"], ["x", "y", "x"], n_folds=3)] in (
        [[0, 1], [2]],
        [[2], [0, 1]],
    )
    assert stratified_folds(["a", "A"], ["x", "y"], n_folds=2) == []
    assert stratified_folds([], [], n_folds=2) == []
