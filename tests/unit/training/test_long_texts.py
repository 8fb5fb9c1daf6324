from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewfit.data import LongTexts
from fewfit.encoders.tokenizing import Tokenizer
from fewfit.encoders.weights import locate
from fewfit.encoders.windows import MOST_WINDOWS
from fewfit.training.long_texts import TrainingWindows, Way
from fewfit.training.targets import Targets

LONG = "the parcel has not arrived and nobody answers my message " * 3


@pytest.fixture(scope="module")
def tokenizer(toy_base: Path) -> Tokenizer:
    return Tokenizer.load(locate(toy_base))


def _windows(
    tokenizer: Tokenizer, n_long: int, long_texts: LongTexts = "auto", *, held_out: bool = True
) -> TrainingWindows:
    texts = [*["film"] * (40 - n_long), *[LONG] * n_long]
    return TrainingWindows(tokenizer, texts, max_length=16, long_texts=long_texts, held_out=held_out)


@pytest.mark.parametrize(
    ("n_long", "long_texts", "held_out", "ways"),
    [
        (2, "auto", True, ("cut", "windows")),
        (1, "auto", True, ("cut",)),
        (0, "auto", True, ("cut",)),
        (20, "auto", False, ("cut",)),
        (20, "cut", True, ("cut",)),
        (1, "windows", False, ("windows",)),
    ],
)
def test_both_ways_are_looked_at_where_enough_texts_are_long_and_some_are_held_out(
    tokenizer: Tokenizer, n_long: int, long_texts: LongTexts, held_out: bool, ways: tuple[Way, ...]
) -> None:
    windows = _windows(tokenizer, n_long, long_texts, held_out=held_out)
    assert windows.ways == ways
    assert windows.too_long == n_long / 40
    assert (len(windows.token_ids) > 40) == ("windows" in ways)


def test_unlabelled_texts_do_not_say_how_many_are_long(tokenizer: Tokenizer) -> None:
    given: dict[str, Any] = {"max_length": 16, "long_texts": "auto", "held_out": True, "n_labelled": 20}
    windows = TrainingWindows(tokenizer, [*[LONG] * 2, *["film"] * 118], **given)
    assert (windows.too_long, windows.ways) == (0.1, ("cut", "windows"))
    windows = TrainingWindows(tokenizer, [*["film"] * 20, *[LONG] * 100], **given)
    assert (windows.too_long, windows.ways) == (0.0, ("cut",))


def test_embeddings_of_windows_become_those_of_texts(tokenizer: Tokenizer) -> None:
    windows = _windows(tokenizer, 2)
    texts = np.array([39, 0])
    rows = windows.rows(texts)
    assert rows is not None
    n_long = windows.windows.counts[39]
    assert rows.tolist() == [*range(len(windows.token_ids) - n_long, len(windows.token_ids)), 0]
    embeddings = np.arange(len(rows), dtype=np.float32)[:, None]
    found = windows.by_way(embeddings, texts)
    assert found["cut"].tolist() == [[0.0], [float(n_long)]]
    assert 0 < found["windows"][0, 0] < n_long - 1
    assert found["windows"][1, 0] == n_long


def test_tuning_sees_the_first_window_where_texts_are_cut_else_each_by_its_tokens(tokenizer: Tokenizer) -> None:
    windows = _windows(tokenizer, 40)
    rng = np.random.default_rng(0)
    texts = np.zeros(3000, dtype=int)
    assert set(windows.pick(texts, rng, way="cut")) == {0}
    counts = np.bincount(windows.pick(texts, rng, way="windows"))
    lengths = np.array([len(ids) for ids in windows.windows.texts[0]])
    np.testing.assert_allclose(counts / 3000, lengths / lengths.sum(), atol=0.03)


def test_the_way_with_the_lower_loss_is_kept_and_the_faster_one_of_equals(tokenizer: Tokenizer) -> None:
    windows = _windows(tokenizer, 20)
    targets = Targets.from_labels(["a", "b"] * 20)
    good = np.tile(np.array([[2.0, -2.0], [-2.0, 2.0]]), (20, 1))
    way, reading = windows.reading({"cut": -good, "windows": good}, targets)
    assert (way, reading.windows) == ("windows", MOST_WINDOWS)
    assert reading.losses["windows"] < reading.losses["cut"]
    assert windows.reading({"cut": good, "windows": good}, targets)[0] == "cut"
    assert windows.reading({"cut": good, "windows": -good}, targets)[1].windows == 1
