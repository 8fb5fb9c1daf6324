from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewfit.encoders.batching import length_batches


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 200))
def test_every_text_is_in_one_batch_and_no_batch_is_too_large(lengths: list[int], max_tokens: int) -> None:
    batches = length_batches(lengths, max_tokens)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[index] for index in batch)
        assert padded <= max_tokens or len(batch) == 1


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(40, 200))
def test_batches_go_from_short_to_long_and_are_as_full_as_they_can_be(lengths: list[int], max_tokens: int) -> None:
    batches = length_batches(lengths, max_tokens)
    in_order = [lengths[index] for batch in batches for index in batch]
    assert in_order == sorted(lengths)
    for batch, following in pairwise(batches):
        one_more = lengths[following[0]] * (len(batch) + 1)
        assert one_more > max_tokens


def test_texts_of_one_length_keep_their_order() -> None:
    assert [batch.tolist() for batch in length_batches(np.array([5, 5, 5, 5]), 10)] == [[0, 1], [2, 3]]


def test_no_texts_are_no_batches() -> None:
    assert length_batches([], 10) == []


def test_a_batch_of_no_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="max_tokens is 0"):
        length_batches([3], 0)
