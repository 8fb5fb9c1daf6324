"""Label names as knowledge: how they are read, when they count, and the loss they give."""

import numpy as np
import pytest
import torch

from fewfit.training.label_names import EVEN_SIMILARITY, are_words, name_loss, names_help, spoken
from fewfit.training.targets import Targets


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("card_lost", "card lost"),
        ("cardLost", "card lost"),
        ("billing > refund", "billing refund"),
        ("science/technology", "science technology"),
        ("Not spam", "not spam"),
        ("5 stars", "5 stars"),
        ("__", "__"),
        ("退款", "退款"),
    ],
)
def test_labels_are_read_as_words(label: str, said: str) -> None:
    assert spoken(label) == said


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["negative", "positive"], True),
        (["spam", "not spam"], True),
        (["1 star", "2 stars"], True),
        (["好", "坏"], True),
        (["да", "нет"], True),
        (["0", "1"], False),
        (["A", "B"], False),
        (["LABEL_0", "LABEL_1"], False),
        (["class a", "class b"], False),
        (["refund", "7"], False),
        (["只", "1"], False),
    ],
)
def test_numbers_and_letters_are_no_words(labels: list[str], words: bool) -> None:
    assert are_words([spoken(label) for label in labels]) is words


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _texts_and_names(seed: int, n_labels: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    names = _unit(rng.normal(size=(n_labels, 16)))
    index = np.repeat(np.arange(n_labels), 8)
    return _unit(names[index] + 0.8 * rng.normal(size=(len(index), 16)) / 4), names, index


def test_names_near_their_texts_help() -> None:
    texts, names, index = _texts_and_names(0)
    targets = Targets.from_labels([f"label {column}" for column in index])
    assert names_help(texts, names, targets)
    assert names_help(texts * 7.0, names * 3.0, targets)  # lengths say nothing


def test_names_that_are_codes_do_not_help() -> None:
    rng = np.random.default_rng(1)
    found = []
    for seed in range(40):
        texts, _, index = _texts_and_names(seed)
        codes = _unit(rng.normal(size=(4, 16)))
        found.append(names_help(texts, codes, Targets.from_labels([f"label {column}" for column in index])))
    # Up to 10 % of the ways to deal names out may fit as well, so up to that share of chance hits, and some leeway.
    assert np.mean(found) <= 0.25


@pytest.mark.parametrize("scattered", [0.8, 6.0])
def test_with_two_labels_names_count_unless_they_fit_better_the_other_way_round(scattered: float) -> None:
    rng = np.random.default_rng(5)
    texts, names, index = _texts_and_names(5, n_labels=2)
    far = _unit(texts + scattered * rng.normal(size=texts.shape) / 4)
    targets = Targets.from_labels([f"label {column}" for column in index])
    assert names_help(far, names, targets)
    assert not names_help(far, names[::-1], targets)


def test_a_name_that_is_near_to_every_text_is_nothing_against_it() -> None:
    texts, names, index = _texts_and_names(6)
    near_to_all = names.copy()
    near_to_all[2] = 5 * texts.mean(axis=0) + names[2]
    assert names_help(texts, near_to_all, Targets.from_labels([f"label {column}" for column in index]))


def test_many_names_are_dealt_out_in_some_of_the_ways() -> None:
    texts, names, index = _texts_and_names(7, n_labels=12)
    targets = Targets.from_labels([f"label {column:02}" for column in index])
    assert names_help(texts, names, targets)
    assert not names_help(texts, np.roll(names, 1, axis=0), targets)


def test_swapped_names_do_not_help() -> None:
    texts, names, index = _texts_and_names(2)
    assert not names_help(texts, np.roll(names, 1, axis=0), Targets.from_labels([f"label {c}" for c in index]))


def test_multilabel_names_are_judged_by_label() -> None:
    texts, names, index = _texts_and_names(3)
    targets = Targets.from_labels([[f"label {column}"] for column in index])
    assert names_help(texts, names, targets)
    assert not names_help(texts, np.roll(names, 1, axis=0), targets)
    everywhere = Targets.from_labels([["always"]] * len(index))
    assert not names_help(texts, names[:1], everywhere)


def test_loss_is_cross_entropy_of_similarities() -> None:
    texts, names, index = _texts_and_names(4)
    wanted = torch.eye(4)[index]
    loss = name_loss(
        torch.from_numpy(texts), torch.from_numpy(names), wanted.double(), single=True, temperature=0.2,
        positive_share=wanted.double().mean(0),
    )  # fmt: skip
    logits = texts @ names.T / 0.2
    expected = np.mean([np.log(np.exp(row - row[right]).sum()) for row, right in zip(logits, index, strict=True)])
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_multilabel_loss_is_even_at_the_even_similarity() -> None:
    text = torch.tensor([[1.0, 0.0]])
    name = torch.tensor([[EVEN_SIMILARITY, (1 - EVEN_SIMILARITY**2) ** 0.5]])
    both = [
        float(name_loss(text, name, wanted, single=False, temperature=0.1, positive_share=torch.tensor([0.5])))
        for wanted in (torch.ones(1, 1), torch.zeros(1, 1))
    ]
    assert both[0] == pytest.approx(np.log(2), rel=1e-5)
    assert both[1] == pytest.approx(np.log(2), rel=1e-5)
