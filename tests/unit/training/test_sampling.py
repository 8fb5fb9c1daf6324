from itertools import islice

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fewfit.training.sampling import balanced_batches
from fewfit.training.targets import Targets


def test_a_set_that_fits_is_one_batch_of_every_row() -> None:
    targets = Targets.from_labels(["a"] * 3 + ["b"] * 4)
    for batch in islice(balanced_batches(targets, 64, np.random.default_rng(0)), 3):
        assert sorted(batch.tolist()) == list(range(7))


def test_rare_labels_are_in_every_batch() -> None:
    targets = Targets.from_labels(["common"] * 400 + ["rare"] * 6)
    for batch in islice(balanced_batches(targets, 32, np.random.default_rng(0)), 20):
        assert len(batch) == 32
        assert targets.take(batch).counts[1] >= 2


def test_every_row_is_used_before_one_is_used_again() -> None:
    targets = Targets.from_labels(["a"] * 64 + ["b"] * 64)
    seen = np.concatenate(list(islice(balanced_batches(targets, 32, np.random.default_rng(0)), 4)))
    assert sorted(seen.tolist()) == list(range(128))


def test_many_labels_still_come_in_pairs() -> None:
    targets = Targets.from_labels([f"label {number % 77}" for number in range(77 * 8)])
    for batch in islice(balanced_batches(targets, 64, np.random.default_rng(0)), 20):
        counts = targets.take(batch).counts
        assert (counts[counts > 0] >= 2).all()


def test_rows_without_labels_take_part() -> None:
    targets = Targets.from_labels([["a"]] * 90 + [[]] * 10)
    batch = next(balanced_batches(targets, 20, np.random.default_rng(0)))
    assert (~targets.take(batch).matrix.any(axis=1)).sum() >= 5


@given(
    rows=st.lists(st.lists(st.sampled_from("abcd"), unique=True, max_size=3), min_size=1, max_size=60),
    batch_size=st.integers(2, 40),
    seed=st.integers(0, 5),
)
def test_batches_hold_different_rows_and_never_more_than_asked(
    rows: list[list[str]], batch_size: int, seed: int
) -> None:
    targets = Targets.from_labels(rows)
    for batch in islice(balanced_batches(targets, batch_size, np.random.default_rng(seed)), 5):
        assert len(set(batch.tolist())) == len(batch) == min(batch_size, len(rows))
        assert batch.min() >= 0
        assert batch.max() < len(rows)
