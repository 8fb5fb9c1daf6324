"""Models that learn from unlabelled texts, too."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewfit import Classifier
from fewfit.errors import InputError
from fewfit.training import TrainingSettings, trainer
from tests.unit.classifier.conftest import CHECKED as _CHECKED
from tests.unit.classifier.conftest import QUICK, labelled

LABELS = ("parcel", "card", "film")
# All weights, gently: what held-out texts say of so few examples must not change with the last digit.
CHECKED = replace(_CHECKED, lora_rank=0, learning_rate=3e-3)


def _others(times: int = 20) -> list[str]:
    return labelled(*LABELS, times=times, start=50)[0]


@pytest.fixture(scope="module")
def plain(toy_base: Path) -> Classifier:
    """A model of the same labelled texts that has seen no others."""
    return Classifier(base=toy_base, settings=CHECKED).fit(*labelled(*LABELS, times=2))


@pytest.mark.parametrize("settings", [CHECKED, replace(QUICK, lora_rank=2)])
def test_what_it_is_sure_of_is_learnt_from(toy_base: Path, plain: Classifier, settings: TrainingSettings) -> None:
    texts, names = labelled(*LABELS, times=2)
    fitted = Classifier(base=toy_base, settings=settings).fit(texts, names, unlabelled=_others())
    training = fitted.manifest_.training
    assert training["n_unlabelled"] == len(set(_others()))
    assert 3 <= training["n_pseudo_labelled"] <= len(texts)
    assert training["n_texts"] == len(texts)
    assert list(fitted.classes_) == sorted(LABELS)
    assert np.abs(fitted.predict_proba(texts) - plain.predict_proba(texts)).max() > 0.01


def test_the_same_seed_gives_the_same_model(toy_base: Path) -> None:
    texts, names = labelled(*LABELS, times=2)
    answers = [
        Classifier(base=toy_base, settings=QUICK).fit(texts, names, unlabelled=_others()).predict_proba(texts)
        for _ in range(2)
    ]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-6)


def test_empty_and_known_texts_change_nothing(toy_base: Path, plain: Classifier) -> None:
    texts, names = labelled(*LABELS, times=2)
    nothing = ["  ", texts[0], f" {texts[1].upper()}"]
    again = Classifier(base=toy_base, settings=CHECKED).fit(texts, names, unlabelled=nothing)
    np.testing.assert_allclose(again.predict_proba(texts), plain.predict_proba(texts), atol=1e-6)
    assert again.manifest_.training["n_unlabelled"] == plain.manifest_.training["n_pseudo_labelled"] == 0


def test_where_held_out_texts_speak_against_it_the_labelled_ones_alone_are_learnt_from(
    toy_base: Path, plain: Classifier, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    texts, names = labelled(*LABELS, times=2)

    def all_wrong(confidences: np.ndarray, targets: object) -> tuple[np.ndarray, np.ndarray]:
        rows = np.arange(len(confidences))
        return rows, np.eye(3, dtype=bool)[(confidences.argmax(axis=1) + 1 + rows % 2) % 3]

    monkeypatch.setattr(trainer, "pseudo_labels", all_wrong)
    with caplog.at_level(logging.WARNING):
        misled = Classifier(base=toy_base, settings=CHECKED).fit(texts, names, unlabelled=_others())
    assert "Unlabelled texts did not help" in caplog.text
    assert misled.manifest_.training["n_pseudo_labelled"] == 0
    assert np.abs(misled.predict_proba(texts) - plain.predict_proba(texts)).max() < 0.05


def test_it_is_kept_out_of_what_the_model_keeps(toy_base: Path, tmp_path: Path) -> None:
    texts, names = labelled(*LABELS, times=2)
    fitted = Classifier(base=toy_base, settings=CHECKED).fit(texts, names, unlabelled=_others())
    assert len(fitted.insight_.texts) == len(set(texts))
    fitted.save(tmp_path / "model")
    again = Classifier.load(tmp_path / "model")
    assert again.manifest_.training["n_pseudo_labelled"] > 0
    np.testing.assert_allclose(again.predict_proba(texts), fitted.predict_proba(texts), atol=1e-6)
    assert again.update(["my parcel is here"], ["parcel"]).n_examples == len(set(texts)) + 1


def test_several_labels_a_text_are_refused(toy_base: Path) -> None:
    texts, names = labelled(*LABELS, times=2)
    with pytest.raises(InputError, match="single-label models only"):
        Classifier(base=toy_base, settings=QUICK).fit(texts, [[name] for name in names], unlabelled=_others())


def test_what_is_no_text_is_refused_with_its_row(toy_base: Path) -> None:
    texts, names = labelled(*LABELS, times=2)
    with pytest.raises(InputError, match="Row 2 has 7"):
        Classifier(base=toy_base, settings=QUICK).fit(texts, names, unlabelled=["a text", 7])  # type: ignore[list-item]
