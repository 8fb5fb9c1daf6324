import itertools

import numpy as np
import pytest

from fewfit.decision import Calibration, Decision, Head
from fewfit.fast_tier import N_PAIRS, FastTier, Tokens, fast_answers, margins

ENCODED = [[2, 5, 6, 3], [2, 3], [2, 7, 7, 7, 3], [4]]


def _tier(n_labels: int = 3, cut: float = 1.0) -> FastTier:
    rng = np.random.default_rng(0)
    return FastTier(
        rng.normal(size=(8, n_labels)).astype(np.float16),
        rng.normal(size=(N_PAIRS, n_labels)).astype(np.float16),
        rng.normal(size=n_labels).astype(np.float32),
        cut,
    )


def _decision(kind: str, n_labels: int = 3) -> Decision:
    head = Head(np.zeros((n_labels, 4), dtype=np.float32), np.zeros(n_labels, dtype=np.float32))
    labels = tuple("abcdef"[:n_labels])
    if kind == "single":
        return Decision("single", labels, head, Calibration.identity(n_labels))
    return Decision("multi", labels, head, Calibration.identity(n_labels), np.full(n_labels, 0.5))


def test_logits_are_sums_over_tokens_and_pairs() -> None:
    tier = _tier()
    for ids, found in zip(ENCODED, tier.logits(ENCODED), strict=True):
        wanted = sum(tier.tokens[token].astype(float) for token in ids)
        for one, other in itertools.pairwise(ids):
            wanted = wanted + tier.pairs[(one * 1_000_003 + other * 7_919) % N_PAIRS].astype(float)
        np.testing.assert_allclose(found, wanted / np.sqrt(len(ids)) + tier.bias, rtol=1e-5, atol=1e-5)


def test_a_text_gets_the_same_whatever_it_is_asked_with() -> None:
    tier = _tier()
    rng = np.random.default_rng(1)
    encoded = [rng.integers(0, 8, length).tolist() for length in rng.integers(1, 200, 64)]
    together = tier.logits(encoded)
    alone = np.concatenate([tier.logits([ids]) for ids in encoded])
    np.testing.assert_array_equal(together, alone)
    order = rng.permutation(64)
    np.testing.assert_array_equal(tier.logits([encoded[row] for row in order]), together[order])


def test_no_texts_have_no_logits() -> None:
    assert _tier().logits([]).shape == (0, 3)


def test_pairs_do_not_reach_into_the_next_text() -> None:
    places = Tokens.of([[1, 2], [3]]).pairs()
    assert places[0] >= 0
    assert places[1:].tolist() == [-1, -1]


def test_only_texts_with_a_margin_are_sure() -> None:
    tier, decision = _tier(cut=1.5), _decision("single")
    sure, confidences = fast_answers(tier, decision, ENCODED)
    ordered = np.sort(tier.logits(ENCODED), axis=1)
    assert sure.tolist() == (ordered[:, -1] - ordered[:, -2] >= 1.5).tolist()
    np.testing.assert_allclose(confidences.sum(axis=1), 1)


def test_multilabel_margins_are_distances_to_the_nearest_threshold() -> None:
    decision = _decision("multi").with_thresholds({"a": 0.5, "b": 0.75, "c": 0.5})
    found = margins(decision, np.array([[2.0, 3.0, -4.0]]))
    np.testing.assert_allclose(found, [min(2.0, 3.0 - np.log(3), 4.0)])


def test_tables_survive_being_arrays_and_others_are_refused() -> None:
    tier = _tier()
    again = FastTier.from_arrays(tier.arrays(), 3)
    np.testing.assert_array_equal(again.logits(ENCODED), tier.logits(ENCODED))
    assert again.cut == tier.cut
    with pytest.raises(ValueError, match="not for 4 labels"):
        FastTier.from_arrays(tier.arrays(), 4)
