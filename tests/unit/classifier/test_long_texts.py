"""Classifiers whose texts are longer than the encoder reads at once."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewfit import Classifier
from fewfit.data import LongTexts
from fewfit.encoders.windows import MOST_WINDOWS
from fewfit.errors import InputError
from fewfit.training import TrainingSettings

SETTINGS = TrainingSettings(tail_layers=2, steps=8, n_folds=2, learning_rate=3e-3)
MAX_LENGTH = 24
SAME = 1e-6  # what a batch may change, in float32
_WORDS = {"parcel": "parcel", "card": "ticket", "film": "film"}
_FILLER = (
    "please send the invoice for the last order to my new address",
    "it will rain in the north and the wind is up",
)


def _texts(*, at_the_end: bool) -> tuple[list[str], list[str]]:
    """Long texts whose label is said at their end alone, or at their start with other labels' words after it."""
    texts, labels = [], []
    for number in range(12):
        for place, (label, word) in enumerate(_WORDS.items()):
            others = [other for other in _WORDS.values() if other != word]
            said, filler = f"the {word} " * 3, f"{_FILLER[number % 2]} {number}"
            noise = f"{others[(number // 2) % 2]} " * 12 + _FILLER[(number + place) % 2]
            texts.append(f"{filler} {filler} {said}" if at_the_end else f"{said} {filler} {noise}")
            labels.append(label)
    return texts, labels


def _fit(
    base: Path, long_texts: LongTexts, *, at_the_end: bool = True, settings: TrainingSettings = SETTINGS
) -> Classifier:
    classifier = Classifier(base=base, settings=settings, max_length=MAX_LENGTH, long_texts=long_texts)
    return classifier.fit(*_texts(at_the_end=at_the_end))


@pytest.fixture(scope="module")
def fitted(toy_base: Path) -> Classifier:
    return _fit(toy_base, "auto")


def test_what_is_said_at_the_end_of_long_texts_is_read_in_windows(fitted: Classifier, toy_base: Path) -> None:
    texts, labels = _texts(at_the_end=True)
    reading = fitted.manifest_.training["reading"]
    assert fitted.manifest_.windows == MOST_WINDOWS
    assert reading["too_long"] == 1.0
    assert reading["losses"]["windows"] < reading["losses"]["cut"]
    cut = _fit(toy_base, "cut")
    assert cut.manifest_.windows == 1
    assert cut.manifest_.training["reading"] == {"windows": 1, "too_long": 1.0, "losses": {}}
    assert fitted.score(texts, labels) > cut.score(texts, labels) + 0.2


def test_what_is_said_at_the_start_alone_is_not(toy_base: Path) -> None:
    classifier = _fit(toy_base, "auto", at_the_end=False)
    reading = classifier.manifest_.training["reading"]
    assert reading["losses"]["cut"] < reading["losses"]["windows"]
    assert classifier.manifest_.windows == 1
    # The encoder is the one that a training which never looked at windows gives.
    cut = _fit(toy_base, "cut", at_the_end=False)
    texts, _ = _texts(at_the_end=False)
    np.testing.assert_allclose(classifier.answers(texts).embeddings, cut.answers(texts).embeddings, atol=SAME)


def test_asked_for_windows_are_used_without_comparing(toy_base: Path) -> None:
    classifier = _fit(toy_base, "windows", at_the_end=False)
    assert classifier.manifest_.windows == MOST_WINDOWS
    assert not classifier.manifest_.training["reading"]["losses"]


def test_without_anything_held_out_texts_are_cut_unless_windows_are_asked_for(
    toy_base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    quick = replace(SETTINGS, n_folds=0)
    with caplog.at_level(logging.WARNING):
        assert _fit(toy_base, "auto", settings=quick).manifest_.windows == 1
    assert "They are cut there." in caplog.text
    assert _fit(toy_base, "windows", settings=quick).manifest_.windows == MOST_WINDOWS


def test_where_no_text_is_too_long_nothing_changes(toy_base: Path) -> None:
    texts, labels = [f"the {word} {number}" for number in range(8) for word in _WORDS.values()], [*_WORDS] * 8
    ways: tuple[LongTexts, ...] = ("auto", "cut", "windows")
    models = [Classifier(base=toy_base, settings=SETTINGS, long_texts=way).fit(texts, labels) for way in ways]
    assert [model.manifest_.windows for model in models] == [1, 1, MOST_WINDOWS]
    assert all("reading" not in model.manifest_.training for model in models)
    for model in models[1:]:
        np.testing.assert_allclose(model.predict_proba(texts), models[0].predict_proba(texts), atol=SAME)


def test_answers_are_those_of_torch_and_stay_when_saved(fitted: Classifier, toy_base: Path, tmp_path: Path) -> None:
    texts = [*_texts(at_the_end=True)[0], "the film", ""]
    wanted = fitted.predict_proba(texts)
    fitted.save(tmp_path / "model")
    again = Classifier.load(tmp_path / "model")
    assert again.long_texts == "auto"
    np.testing.assert_allclose(again.predict_proba(texts), wanted, atol=SAME)
    with_torch = Classifier.load(tmp_path / "model", base=toy_base, device="cpu")
    assert np.abs(with_torch.predict_proba(texts) - wanted).max() < 0.05


def test_everything_after_training_reads_windows_too(fitted: Classifier) -> None:
    texts, labels = _texts(at_the_end=True)
    evaluation = fitted.evaluate(texts, labels)
    assert evaluation.frozen is not None
    (explanation,) = fitted.explain([texts[0]], n_words=4)
    assert explanation.examples[0].similarity > 0.999
    assert fitted.update([texts[0] + " once more"], [labels[0]]).n_added == 1
    assert fitted.manifest_.windows == MOST_WINDOWS


def test_texts_that_begin_alike_are_no_near_copies(toy_base: Path) -> None:
    texts, labels = _texts(at_the_end=True)
    ways: tuple[LongTexts, ...] = ("cut", "windows")
    checks = [Classifier(toy_base, max_length=MAX_LENGTH, long_texts=way).check(texts, labels) for way in ways]
    counts = [len(quality.conflicts) for quality in checks]
    assert counts[0] > counts[1]


def test_another_way_is_an_error(toy_base: Path) -> None:
    with pytest.raises(InputError, match="long_texts is 'whole'; expected one of: auto, cut, windows"):
        Classifier(base=toy_base, long_texts="whole").fit(["a", "b"], ["x", "y"])  # type: ignore[arg-type]
