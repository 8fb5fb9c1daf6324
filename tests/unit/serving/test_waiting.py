import numpy as np
import pytest

from fewfit.encoders.windows import Windows
from fewfit.serving.replies import ThreadReply
from fewfit.serving.requests import Item, Request
from fewfit.serving.waiting import MOST_PADDING, WaitingTexts
from tests.unit.serving.models import ToyModel


def _items(toy: ToyModel, lengths: list[int], reply: ThreadReply | None = None) -> list[Item]:
    from fewfit.serving.served import ModelLoader

    windows = Windows([[[1] * length] for length in lengths])
    request = Request(ModelLoader().load(toy.artifact), windows, {}, reply or ThreadReply())
    return [Item(request, window, ids, None) for window, ids in enumerate(windows.ids)]


def _drain(waiting: WaitingTexts, max_tokens: int) -> list[list[int]]:
    batches = []
    while waiting.n_texts:
        batches.append([item.length for item in waiting.take(max_tokens)])
    return batches


@pytest.mark.parametrize("max_tokens", [1, 60, 256, 10_000])
def test_every_text_is_handed_out_once_in_batches_within_bounds(toy: ToyModel, max_tokens: int) -> None:
    lengths = np.random.default_rng(0).integers(2, 60, size=500).tolist()
    waiting = WaitingTexts()
    waiting.add(_items(toy, lengths))
    assert (waiting.n_texts, waiting.n_tokens) == (500, sum(lengths))
    batches = _drain(waiting, max_tokens)
    assert sorted(length for batch in batches for length in batch) == sorted(lengths)
    assert waiting.n_tokens == 0
    for batch in batches:
        padded = max(batch) * len(batch)
        assert len(batch) == 1 or padded <= max_tokens
        assert padded - sum(batch) <= MOST_PADDING * padded


def test_the_text_that_waited_longest_is_in_the_next_batch(toy: ToyModel) -> None:
    waiting = WaitingTexts()
    waiting.add(_items(toy, [40, 5, 5, 5, 40, 20]))
    assert _drain(waiting, 1000) == [[40, 40], [5, 5, 5], [20]]


def test_nothing_is_left_behind_of_texts_that_were_given_up(toy: ToyModel) -> None:
    waiting = WaitingTexts()
    reply = ThreadReply()
    waiting.add([*_items(toy, [7, 8, 9, 30], reply), *_items(toy, [8, 8, 31])])
    assert reply.future.cancel()
    assert _drain(waiting, 1000) == [[8, 8], [31]]
    assert not waiting._by_length


def test_only_cancelled_texts_make_an_empty_batch(toy: ToyModel) -> None:
    waiting = WaitingTexts()
    reply = ThreadReply()
    waiting.add(_items(toy, [7, 8], reply))
    reply.future.cancel()
    assert waiting.take(100) == []
    assert waiting.n_texts == 0
