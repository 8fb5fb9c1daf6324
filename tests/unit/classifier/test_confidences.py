from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewfit import Classifier
from fewfit.artifact import read_artifact
from fewfit.decision import Calibration
from fewfit.training import trainer
from fewfit.training.calibration import fit_calibration, fit_frozen_calibration
from fewfit.training.targets import Targets
from tests.unit.classifier.conftest import QUICK, labelled


@pytest.mark.parametrize("separator", [None, ": "])
def test_without_folds_many_texts_say_how_sure_a_model_may_be(
    toy_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, separator: str | None
) -> None:
    """A few texts get what was right for other tasks, which is too little for one as easy as this."""
    texts, names = labelled("parcel", "card", "film", "rain", times=12)
    labels = [[f"topic{separator}{name}"] for name in names] if separator else names

    def scale() -> float:
        """What the logits are multiplied by: the larger, the surer is the model."""
        classifier = Classifier(toy_base, settings=replace(QUICK, steps=20), group_separator=separator)
        classifier.fit(texts, labels).save(tmp_path / "model")
        return float(read_artifact(tmp_path / "model").decision.calibration.scale[0])

    by_rule = scale()
    assert by_rule == pytest.approx(0.4 * 4**0.5)
    monkeypatch.setattr(trainer, "LEAST_TEXTS_TO_SPARE", len(texts))
    assert scale() > 1.2 * by_rule
    monkeypatch.setattr(trainer, "SPARED_ONE_IN", len(texts))  # of each label there is less than one to spare
    assert scale() == by_rule


def test_texts_that_are_spared_from_tuning_are_learnt_from_all_the_same(
    toy_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head is fitted on them too: a label that has no other text is known."""
    texts, names = labelled("parcel", "card", "film")
    spared = [4, 20, 40]
    for number in spared:
        texts[number], names[number] = f"it will rain on {number} days", "rain"
    monkeypatch.setattr(trainer, "LEAST_TEXTS_TO_SPARE", len(texts))
    _spare(monkeypatch, spared)
    classifier = Classifier(toy_base, settings=replace(QUICK, steps=20)).fit(texts, names)
    assert list(classifier.predict([texts[number] for number in spared])) == ["rain"] * 3
    classifier.save(tmp_path / "model")
    assert list(Classifier.load(tmp_path / "model").predict([texts[number] for number in spared])) == ["rain"] * 3


def test_spared_texts_are_asked_of_heads_that_know_the_other_ones(
    toy_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does the head that is kept, which is less sure than one that knows clear texts alone."""
    texts, names = labelled("parcel", "card", "film")
    spared = [4, 20, 40]
    for number in spared[:2]:
        texts[number], names[number] = f"it will rain on {number} days", "rain"
    monkeypatch.setattr(trainer, "LEAST_TEXTS_TO_SPARE", len(texts))
    _spare(monkeypatch, spared)
    asked: list[np.ndarray] = []

    def fit(logits: np.ndarray, targets: Targets, **settings: float) -> Calibration:
        asked.append(logits)
        return fit_calibration(logits, targets, **settings)

    monkeypatch.setattr(trainer, "fit_calibration", fit)
    classifier = Classifier(toy_base, settings=replace(QUICK, steps=20)).fit(texts, names)
    rain = list(classifier.classes_).index("rain")
    known = [logits[:, rain] > -10 for logits in asked if len(logits) == len(spared)]
    assert [list(row) for row in known] == [[True, True, True]]


def _spare(monkeypatch: pytest.MonkeyPatch, rows: list[int]) -> None:
    """Spares these rows, and asks each of them by itself."""
    folds = {len(rows): [np.array([place]) for place in range(len(rows))]}
    monkeypatch.setattr(trainer, "stratified_folds", lambda texts, *_, **__: folds.get(len(texts), [np.array(rows)]))


def test_tails_that_check_many_texts_take_as_many_passes_as_the_one_that_is_kept(
    toy_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With as many steps on half of the texts they would learn these by heart, and take longer."""
    texts, names = labelled("parcel", "card", "film", "rain", times=25)
    steps: list[int] = []
    monkeypatch.setattr(trainer, "tune", lambda *arguments, **_: steps.append(arguments[5].steps))
    settings = replace(QUICK, steps=None, n_folds=2)
    Classifier(toy_base, settings=settings).fit(texts, names)
    assert steps == [60, 60, 60]
    monkeypatch.setattr(trainer, "LEAST_TEXTS_TO_SPARE", len(texts))
    steps.clear()
    Classifier(toy_base, settings=settings).fit(texts, names)
    assert steps == [37, 37, 60]


@pytest.mark.parametrize("n_folds", [0, 2])
def test_the_confidences_of_many_texts_are_those_of_the_texts_that_were_spared(
    toy_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_folds: int
) -> None:
    texts, names = labelled("parcel", "card", "film", times=10)
    fitted: dict[int, Calibration] = {}

    def fit(logits: np.ndarray, targets: Targets) -> Calibration:
        fitted[len(targets)] = fit_calibration(logits, targets)
        return fitted[len(targets)]

    def fit_frozen(logits: np.ndarray, targets: Targets) -> Calibration:
        fitted[len(targets)] = fit_frozen_calibration(logits, targets)
        return fitted[len(targets)]

    monkeypatch.setattr(trainer, "LEAST_TEXTS_TO_SPARE", len(texts))
    monkeypatch.setattr(trainer, "fit_calibration", fit)
    monkeypatch.setattr(trainer, "fit_frozen_calibration", fit_frozen)
    Classifier(toy_base, settings=replace(QUICK, steps=20, n_folds=n_folds)).fit(texts, names).save(tmp_path / "model")
    assert read_artifact(tmp_path / "model").decision.calibration.scale == pytest.approx(fitted[len(texts) // 10].scale)
    assert fitted[len(texts) // 10].scale[0] != pytest.approx(fitted[len(texts)].scale[0])
