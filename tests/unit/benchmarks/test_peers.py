from dataclasses import replace
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from benchmarks.peers.fewfit import fewfit
from benchmarks.peers.finetune import finetune
from benchmarks.peers.frozen import frozen
from benchmarks.peers.linear import balanced_head, fitted_threshold, given
from benchmarks.peers.pairs import default_steps
from benchmarks.peers.protocol import Job
from benchmarks.peers.tfidf import tfidf
from fewfit import Classifier
from fewfit.testing import write_toy_base
from fewfit.training import TrainingSettings

TEXTS = ["the card was charged twice", "please send the invoice", "I cannot log in", "change the password"]


def job(**changed: object) -> Job:
    usual: dict[str, object] = {
        "kind": "single",
        "labels": ["access", "money"],
        "texts": TEXTS,
        "targets": [["money"], ["money"], ["access"], ["access"]],
        "tests": {"en": ["the invoice", "the password"]},
        "base": "",
        "prefix": "",
        "seed": 0,
        "threads": 1,
        "train_languages": ["en"],
        "settings": {},
    }
    return Job(**(usual | changed))  # type: ignore[arg-type]


def test_a_setting_that_a_method_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown setting speed; known: C"):
        tfidf(job(settings={"speed": 1}))


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_fewfit_is_asked_through_its_public_interface(toy_base: Path, kind: str) -> None:
    settings = {"effort": "quick", "steps": 2, "tail_layers": 1}
    reply = fewfit(job(kind=kind, base=str(toy_base), settings=settings))
    assert reply.columns == ["access", "money"]
    probabilities = np.array(reply.predictions["en"].probabilities)
    assert probabilities.shape == (2, 2)
    settings_alone = replace(TrainingSettings.for_effort("quick"), steps=2, tail_layers=1)
    classifier = Classifier(toy_base, settings=settings_alone, device="cpu")  # what the peer runs on
    targets = [["money"], ["money"], ["access"], ["access"]]
    classifier.fit(TEXTS, targets if kind == "multi" else [target[0] for target in targets])
    given_alone = classifier.predict(["the invoice", "the password"])
    assert reply.predictions["en"].given == [[x] if isinstance(x, str) else list(x or ()) for x in given_alone]
    assert reply.notes["steps"] == 2
    assert reply.fit_s > 0


def test_an_effort_that_fewfit_does_not_know_is_an_error(toy_base: Path) -> None:
    with pytest.raises(ValueError, match="effort='heroic'; expected one of quick, balanced, thorough"):
        fewfit(job(base=str(toy_base), settings={"effort": "heroic", "steps": 2}))


def test_tfidf_learns_words() -> None:
    reply = tfidf(job())
    assert reply.predictions["en"].given == [["money"], ["access"]]
    assert np.array(reply.predictions["en"].probabilities).sum(axis=1) == pytest.approx([1, 1])


def test_tfidf_reads_characters_where_words_are_not_spaced() -> None:
    chinese = job(
        texts=["我要退款", "请退款", "忘记密码", "密码错误"],
        tests={"zh": ["退款在哪", "重置密码"]},
        train_languages=["zh"],
    )
    assert tfidf(chinese).predictions["zh"].given == [["money"], ["access"]]


def test_the_frozen_base_gets_the_prefix_once_and_answers_as_worked_out_here(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    base = write_toy_base(tmp_path / "toy", prefix="query: ")
    encoder = SentenceTransformer(str(base), device="cpu")
    encoder.default_prompt_name = None
    head = LogisticRegression(class_weight="balanced").fit(
        encoder.encode([f"query: {text}" for text in TEXTS]), ["money", "money", "access", "access"]
    )
    expected = head.predict_proba(encoder.encode(["query: the invoice", "query: the password"]))
    reply = frozen(job(base=str(base), prefix="query: "))
    assert np.array(reply.predictions["en"].probabilities) == pytest.approx(expected, abs=1e-5)
    assert reply.columns == list(head.classes_)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["single", "multi"])
def test_a_fine_tune_learns_the_labels(toy_base: Path, kind: str) -> None:
    reply = finetune(job(kind=kind, base=str(toy_base), settings={"lr": 2e-3, "epochs": 200}))
    assert reply.columns == ["access", "money"]
    assert reply.predictions["en"].given == [["money"], ["access"]]
    assert np.array(reply.predictions["en"].probabilities) == pytest.approx(np.array([[0, 1], [1, 0]]), abs=0.3)
    assert reply.notes == {"steps": 200}


@pytest.mark.slow
def test_a_fine_tune_is_decided_by_its_seed_and_reads_the_prefix(toy_base: Path) -> None:
    def probabilities(**changed: object) -> list[list[float]] | None:
        return finetune(job(base=str(toy_base), **changed)).predictions["en"].probabilities

    assert probabilities() == probabilities()
    assert probabilities() != probabilities(seed=1)
    assert probabilities() != probabilities(prefix="query: ")


@pytest.mark.slow
def test_a_fine_tune_makes_its_epochs_where_rows_are_many(toy_base: Path) -> None:
    many = job(base=str(toy_base), texts=TEXTS * 9, targets=job().targets * 9, settings={"epochs": 40})
    assert finetune(many).notes["steps"] == 120  # 40 epochs of 3 batches


def test_the_fitted_threshold_is_the_best_one_outside_the_folds() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(80, 4))
    rare = (features[:, :2] + random.normal(size=(80, 2)) > 1.5).astype(int)
    head = balanced_head("multi", 1.0)
    threshold = fitted_threshold(head, features, rare, seed=0)
    # Balanced heads say yes too often for rare labels, so the best cut-off lies above one half.
    assert 0.5 < threshold < 0.95
    assert threshold == fitted_threshold(head, features, rare, seed=0)


def test_multilabel_answers_may_be_empty() -> None:
    two = job(kind="multi")
    assert given(two, np.array([[0.5, 0.2], [0.1, 0.2]])) == [["access"], []]
    assert given(two, np.array([[0.5, 0.2], [0.1, 0.2]]), threshold=0.2) == [["access", "money"], ["money"]]


@pytest.mark.parametrize("per_label", [1, 3, 8])
def test_steps_are_counted_as_setfit_makes_its_pairs(per_label: int) -> None:
    names = [name for name in "abc" for _ in range(per_label)]
    same = [a == b for a, b in combinations_with_replacement(names, 2)]
    pairs = 2 * max(sum(same), len(same) - sum(same))
    indicator = np.array([[name == label for label in "abc"] for name in names], dtype=int)
    assert default_steps(indicator) == -(-pairs // 16)


def test_trec_at_8_a_label_takes_setfit_120_steps() -> None:
    assert default_steps(np.repeat(np.eye(6, dtype=int), 8, axis=0)) == 120  # as SetFit 1.2.0 itself counts
