"""A fast tier from unlabelled texts to answers, on a toy base."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewfit import Classifier
from fewfit.artifact import read_artifact, write_artifact
from fewfit.decision import Rejection
from fewfit.encoders import static_vectors
from fewfit.errors import ArtifactError, Cancelled, InputError
from fewfit.serving import Engine
from fewfit.training import Event, TrainingSettings

_WORDS = ("late", "slow", "new", "old", "red", "small", "again", "today", "please", "never", "always", "soon", "here")
_KEYS = {"parcel": "parcel", "card": "card", "film": "film"}


def texts(n_texts: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Texts with a word that says which label they have, and others that say nothing."""
    rng = np.random.default_rng(seed)
    labels = [sorted(_KEYS)[number % 3] for number in range(n_texts)]
    return [f"{' '.join(rng.choice(_WORDS, 5))} {label} {label}" for label in labels], labels


@pytest.fixture(scope="module")
def fitted(toy_base: Path) -> Classifier:
    settings = TrainingSettings(tail_layers=2, steps=30, n_folds=0, learning_rate=3e-3)
    return Classifier(base=toy_base, settings=settings).fit(*texts(48, seed=1))


@pytest.fixture(scope="module")
def distilled(fitted: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder = tmp_path_factory.mktemp("distilled") / "model"
    fitted.save(folder)
    classifier = Classifier.load(folder)
    report = classifier.distil(texts(600)[0], max_disagreement=0.05)
    assert report.enabled, report.reason
    return classifier


def test_the_tier_answers_like_the_model_on_other_texts(distilled: Classifier) -> None:
    asked, _ = texts(300, seed=5)
    fast, full = distilled.predict(asked, speed="fast"), distilled.predict(asked)
    assert np.mean([one != other for one, other in zip(fast, full, strict=True)]) <= 0.05
    confidences = distilled.predict_proba(asked, speed="fast")
    # Some answers are the tier's own.
    assert (np.abs(confidences - distilled.predict_proba(asked)) > 1e-6).any()
    np.testing.assert_allclose(confidences.sum(axis=1), 1)


def test_it_is_saved_and_loaded(distilled: Classifier, tmp_path: Path) -> None:
    distilled.save(tmp_path / "model")
    loaded = Classifier.load(tmp_path / "model")
    asked, _ = texts(60, seed=6)
    np.testing.assert_allclose(
        loaded.predict_proba(asked, speed="fast"), distilled.predict_proba(asked, speed="fast"), atol=1e-6
    )
    assert loaded.manifest_.fast["enabled"]
    assert loaded.manifest_.fast["chosen"]["bound"] <= 0.05
    path = tmp_path / "model" / "fast.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match="was changed"):
        read_artifact(tmp_path / "model")


def test_the_engine_lets_the_tier_answer_only_where_it_is_asked_to(distilled: Classifier, tmp_path: Path) -> None:
    distilled.save(tmp_path / "model")
    asked = [*texts(40, seed=7)[0], "", "nothing of this kind was ever there, neither here nor anywhere else"]
    with Engine() as engine:
        engine.load("m", tmp_path / "model")
        full = engine.answer("m", asked)
        assert not full.fast
        assert engine.statistics().fast_texts == 0
        fast = engine.answer("m", asked, speed="fast")
        assert 0 < len(fast.fast) < len(asked)
        assert engine.statistics().fast_texts == len(fast.fast)
        others = [row for row in range(len(asked)) if row not in fast.fast]
        np.testing.assert_allclose(fast.confidences[others], full.confidences[others], atol=1e-6)
        for row, confidences in fast.fast.items():
            np.testing.assert_array_equal(fast.confidences[row], confidences)
            assert np.isnan(fast.embeddings[row]).all()
        again = np.concatenate([engine.answer("m", [text], speed="fast").confidences for text in asked])
        np.testing.assert_allclose(again, fast.confidences, atol=1e-6)


def test_a_text_that_cannot_be_read_fails_alone_beside_fast_ones(distilled: Classifier, tmp_path: Path) -> None:
    distilled.save(tmp_path / "model")
    with Engine() as engine:
        engine.load("m", tmp_path / "model")
        answers = engine.answer("m", ["\ud800", *texts(20, seed=8)[0]], speed="fast")
    assert list(answers.errors) == [0]
    assert np.isnan(answers.confidences[0]).all()
    assert not np.isnan(answers.confidences[1:]).any()


def test_a_model_without_a_tier_answers_in_full(fitted: Classifier) -> None:
    asked, _ = texts(12, seed=3)
    np.testing.assert_allclose(fitted.predict_proba(asked, speed="fast"), fitted.predict_proba(asked), atol=1e-6)


def test_other_thresholds_are_not_for_the_tier(distilled: Classifier) -> None:
    with pytest.raises(InputError):
        distilled.predict(["a"], thresholds=0.5, speed="fast")


def test_too_few_texts_promise_nothing(fitted: Classifier) -> None:
    few = [*texts(299)[0], *texts(100)[0], *texts(48, seed=1)[0]]  # others, the same again, those trained on
    with pytest.raises(InputError, match=r"There are 2\d\d different unlabelled texts .* at least 300"):
        fitted.distil(few)
    with pytest.raises(InputError, match="max_disagreement is 0"):
        fitted.distil(texts(400)[0], max_disagreement=0)
    assert not fitted.manifest_.fast


def test_a_model_that_rejects_gets_no_tier_that_nobody_would_ask(fitted: Classifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    artifact = read_artifact(tmp_path / "model")
    references = np.eye(artifact.decision.head.weight.shape[1], dtype=np.float32)
    decision = replace(artifact.decision, rejection=Rejection(0.05, 0.1, references))
    write_artifact(tmp_path / "model", replace(artifact, decision=decision))
    with pytest.raises(InputError, match="Train it without reject"):
        Classifier.load(tmp_path / "model").distil(texts(600)[0])


def test_a_promise_that_cannot_be_kept_switches_nothing_on(distilled: Classifier, tmp_path: Path) -> None:
    distilled.save(tmp_path / "model")
    classifier = Classifier.load(tmp_path / "model")
    report = classifier.distil(texts(310, seed=2)[0], max_disagreement=0.001)
    assert not report.enabled
    assert "with no difference at all" in report.reason
    asked, _ = texts(30, seed=4)
    np.testing.assert_allclose(
        classifier.predict_proba(asked, speed="fast"), classifier.predict_proba(asked), atol=1e-6
    )
    classifier.save(tmp_path / "model")
    assert not (tmp_path / "model" / "fast.safetensors").exists()
    assert not Classifier.load(tmp_path / "model").manifest_.fast["enabled"]


def test_updating_a_model_takes_its_tier_away(distilled: Classifier, tmp_path: Path) -> None:
    distilled.save(tmp_path / "model")
    classifier = Classifier.load(tmp_path / "model")
    classifier.update(["a red parcel parcel never came"], ["parcel"])
    assert not classifier.manifest_.fast
    asked, _ = texts(30, seed=4)
    np.testing.assert_allclose(
        classifier.predict_proba(asked, speed="fast"), classifier.predict_proba(asked), atol=1e-6
    )


def test_cancelling_leaves_the_model_as_it_was(fitted: Classifier) -> None:
    cancel = threading.Event()
    stages: list[str] = []

    def on_event(event: Event) -> None:
        stages.append(event.stage)
        cancel.set()

    with pytest.raises(Cancelled):
        fitted.distil(texts(700)[0], on_event=on_event, cancel=cancel)
    assert len(stages) == 1
    assert not fitted.manifest_.fast


def test_token_vectors_are_made_once_for_a_base(
    fitted: Classifier, distilled: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("they were made again")

    monkeypatch.setattr(static_vectors, "_token_embeddings", never)
    fitted_again = fitted.distil(texts(400)[0], max_disagreement=0.05)
    assert fitted_again.n_texts > 300


def test_token_vectors_are_made_where_the_cache_cannot_be_written_to(
    fitted: Classifier, distilled: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where the cache folder would be")
    monkeypatch.setenv("FEWFIT_CACHE", str(tmp_path / "cache"))
    report = fitted.distil(texts(600)[0], max_disagreement=0.05)
    assert report.chosen is not None
    assert report.chosen.cut == pytest.approx(distilled.manifest_.fast["chosen"]["cut"], abs=1e-4)
