import copy
import json
import pickle
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array, csr_matrix
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.multiclass import type_of_target

from fewfit import Classifier
from fewfit.artifact import read_artifact
from fewfit.errors import ArtifactError, BaseNotFoundError, Cancelled, DataError, InputError, NotFittedError
from fewfit.serving.requests import Speed
from fewfit.serving.served import ModelLoader
from fewfit.testing import write_toy_base
from fewfit.training import Event, TrainingSettings, trainer
from tests.unit.clear_texts import clear_examples

QUICK = TrainingSettings(tail_layers=1, steps=4, n_folds=0, learning_rate=3e-3)
CHECKED = TrainingSettings(tail_layers=2, steps=16, batch_size=64, n_folds=2, learning_rate=3e-3)
_PARCELS = ("the parcel has not arrived", "where is my parcel", "the driver left my parcel outside")
_CARDS = ("the card was charged twice", "my card is refused", "a second charge on my card")
_FILMS = ("what a lovely film", "the film was slow", "the ending of the film made no sense")


def _texts(times: int = 6) -> tuple[list[str], list[str]]:
    """Made so that even a random encoder can tell the labels apart: each has a word of its own."""
    texts, labels = [], []
    for number in range(times):
        for name, sentences in (("parcel", _PARCELS), ("card", _CARDS), ("film", _FILMS)):
            for sentence in sentences:
                texts.append(f"{sentence} {'please tell me more'[: 3 * number]} {number}".strip())
                labels.append(name)
    return texts, labels


def _label_lists(labels: list[str]) -> list[list[str]]:
    return [[] if label == "film" else [label, "any"] if number % 2 else [label] for number, label in enumerate(labels)]


@pytest.fixture(scope="module")
def fitted(toy_base: Path) -> Classifier:
    return Classifier(base=toy_base, settings=CHECKED).fit(*_texts())


@pytest.fixture(scope="module")
def fitted_multi(toy_base: Path) -> Classifier:
    texts, labels = _texts()
    return Classifier(base=toy_base, settings=CHECKED).fit(texts, _label_lists(labels))


def test_it_learns_labels_and_answers_with_their_names(fitted: Classifier) -> None:
    assert fitted.classes_.tolist() == ["card", "film", "parcel"]
    texts, labels = _texts()
    assert np.mean(np.array(fitted.predict(texts)) == np.array(labels)) > 0.8


def test_confidences_are_a_distribution_over_the_labels(fitted: Classifier) -> None:
    confidences = fitted.predict_proba(["my parcel is lost", ""])
    assert confidences.shape == (2, 3)
    np.testing.assert_allclose(confidences.sum(axis=1), 1)


def test_multilabel_answers_are_lists_surest_first_and_none_is_an_answer(fitted_multi: Classifier) -> None:
    texts, _ = _texts()
    answers = fitted_multi.predict(texts)
    confidences = fitted_multi.predict_proba(texts)
    names = fitted_multi.classes_.tolist()
    assert [] in answers
    for answer, row in zip(answers, confidences, strict=True):
        ranked = [row[names.index(name)] for name in answer]
        assert ranked == sorted(ranked, reverse=True)


def test_thresholds_can_be_overridden_for_a_call(fitted_multi: Classifier) -> None:
    assert [sorted(answer or ()) for answer in fitted_multi.predict(["my card"], thresholds=0.0)] == [
        ["any", "card", "parcel"]
    ]
    assert fitted_multi.predict(["my card"], thresholds=1.0) == [[]]


def test_an_answer_does_not_depend_on_its_batch(fitted: Classifier) -> None:
    texts, _ = _texts()
    together = fitted.predict_proba(texts)
    alone = np.concatenate([fitted.predict_proba([text]) for text in texts])
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_no_texts_give_no_answers(fitted: Classifier) -> None:
    assert fitted.predict([]) == []
    assert fitted.predict_proba([]).shape == (0, 3)


def test_save_and_load_change_nothing(fitted: Classifier, fitted_multi: Classifier, tmp_path: Path) -> None:
    texts, _ = _texts(2)
    for number, classifier in enumerate((fitted, fitted_multi)):
        before = classifier.predict_proba(texts)
        classifier.save(tmp_path / f"model {number}")
        loaded = Classifier.load(tmp_path / f"model {number}")
        np.testing.assert_allclose(classifier.predict_proba(texts), before, atol=1e-6)
        np.testing.assert_allclose(loaded.predict_proba(texts), before, atol=1e-6)
        assert classifier.manifest_.serving["precision"] in ("int8", "mixed", "fp32")
        assert loaded.predict(texts) == classifier.predict(texts)
        assert loaded.manifest_ == classifier.manifest_


def test_the_same_seed_gives_the_same_model(toy_base: Path) -> None:
    texts, labels = _texts(5)  # more than fit into one step, so that the seed decides which go together
    one, two = (Classifier(base=toy_base, settings=QUICK, seed=5).fit(texts, labels) for _ in range(2))
    other = Classifier(base=toy_base, settings=QUICK, seed=6).fit(texts, labels)
    np.testing.assert_allclose(one.predict_proba(texts), two.predict_proba(texts), atol=1e-6)
    assert np.abs(one.predict_proba(texts) - other.predict_proba(texts)).max() > 1e-3


def test_fitting_leaves_the_callers_random_numbers_alone(toy_base: Path) -> None:
    import torch

    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    Classifier(base=toy_base, settings=QUICK).fit(*_texts(2))
    assert torch.equal(torch.rand(2), expected)


def test_a_model_on_another_base_is_refused(fitted: Classifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    other = write_toy_base(tmp_path / "other", seed=9)
    with pytest.raises(ArtifactError, match="was trained on the base"):
        Classifier.load(tmp_path / "model", base=other)


def test_progress_counts_up_to_the_end_and_says_what_happens(toy_base: Path) -> None:
    events: list[Event] = []
    Classifier(base=toy_base, settings=QUICK).fit(*_texts(3), on_event=events.append)
    steps = [event.step for event in events]
    assert steps == sorted(steps)
    assert steps[-1] == events[-1].total_steps
    assert {event.stage for event in events} >= {"Reading 27 texts", "Tuning", "Fitting the head"}
    assert all(event.loss is not None for event in events if event.stage == "Tuning")
    assert events[-1].remaining_s == 0


def test_a_set_too_large_to_keep_is_computed_again_with_the_same_result(
    toy_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, labels = _texts(2)
    kept = Classifier(base=toy_base, settings=QUICK).fit(texts, labels).predict_proba(texts)
    monkeypatch.setattr(trainer, "KEPT_ACTIVATIONS_LIMIT_BYTES", 0)
    events: list[Event] = []
    computed = Classifier(base=toy_base, settings=QUICK).fit(texts, labels, on_event=events.append)
    np.testing.assert_allclose(computed.predict_proba(texts), kept, atol=1e-2)  # the same but for bf16
    assert events[-1].step == events[-1].total_steps
    assert events[-1].remaining_s == 0


def test_cancelling_is_noticed_while_texts_are_embedded(toy_base: Path) -> None:
    cancel = threading.Event()

    def stop_at_the_end(event: Event) -> None:
        if event.stage == "Fitting the head":
            cancel.set()

    with pytest.raises(Cancelled):
        Classifier(base=toy_base, settings=QUICK).fit(*_texts(2), on_event=stop_at_the_end, cancel=cancel)


def test_cancelling_leaves_the_classifier_as_it_was(toy_base: Path) -> None:
    texts, labels = _texts(2)
    classifier = Classifier(base=toy_base, settings=QUICK).fit(texts, labels)
    before = classifier.predict_proba(texts)
    cancel = threading.Event()

    def stop_soon(event: Event) -> None:
        if event.stage == "Tuning":
            cancel.set()

    with pytest.raises(Cancelled):
        classifier.fit(texts, labels[::-1], on_event=stop_soon, cancel=cancel)
    # Which texts share a batch depends on the moment, and with it the order in which float32 sums are made.
    np.testing.assert_allclose(classifier.predict_proba(texts), before, atol=1e-6)


def test_evaluate_reports_the_gain_over_the_frozen_base(fitted: Classifier) -> None:
    report = fitted.evaluate(*_texts(2))
    assert report.n_texts == 18
    assert report.frozen is not None
    assert report.gain is not None
    assert report.gain["accuracy"] == pytest.approx(report.accuracy - report.frozen.accuracy)
    assert [label.label for label in report.per_label] == ["card", "film", "parcel"]
    assert [label.support for label in report.per_label] == [6, 6, 6]
    assert report.to_dict()["metrics"]["macro_f1"] == report.macro_f1
    assert report.intervals.keys() == report.metrics.numbers().keys()
    assert json.loads(json.dumps(report.to_dict()))["evaluated_on"] == "eval"


def test_fit_leaves_a_cross_validation_of_every_training_text(toy_base: Path) -> None:
    texts, labels = _texts(4)
    classifier = Classifier(base=toy_base, settings=CHECKED).fit(texts, labels)
    report = classifier.insight_.cross_validation
    assert report is not None
    assert (report.evaluated_on, report.n_texts) == ("cross_validation", len(texts))
    assert report.n_trained is not None
    assert report.n_trained < len(texts)
    kept = classifier.manifest_.metrics["cross_validation"]
    assert kept["metrics"] == report.metrics.numbers()
    assert kept["mistakes"] == []  # no text of the user's goes into the model


def test_doubtful_labels_after_fit_are_told_by_the_rows_that_were_given(toy_base: Path) -> None:
    texts = ["", " ", *(example.text for example in clear_examples())]
    labels = ["card", "film", *(example.labels[0] for example in clear_examples())]
    labels[10] = "film"
    settings = replace(CHECKED, learning_rate=1e-2)
    suspects = Classifier(base=toy_base, settings=settings).fit(texts, labels).insight_.suspects()
    assert suspects
    assert [suspect.text for suspect in suspects] == [texts[suspect.row - 1] for suspect in suspects]


def test_a_loaded_model_has_no_insight(fitted: Classifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    with pytest.raises(NotFittedError, match="loaded"):
        _ = Classifier.load(tmp_path / "model").insight_


@pytest.mark.parametrize(
    ("labels", "fragment"),
    [
        (["parcel", "unknown"], "'unknown'"),
        ([["parcel"], []], "the model is single-label"),
        (["parcel"], "2 texts and 1"),
    ],
)
def test_evaluate_refuses_labels_that_do_not_fit_the_model(
    fitted: Classifier, labels: list[str], fragment: str
) -> None:
    with pytest.raises(InputError) as caught:
        fitted.evaluate(["one", "two"], labels)
    assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "labels", "fragment"),
    [
        (["a", "b"], ["x"], "2 texts and 1 labels"),
        ([], [], "There are no examples"),
        (["a", "b"], ["x", "x"], "2"),
        (["a", ""], ["x", "y"], "only the label 'x'"),
        ("just a string", ["x"], "one string"),
        (["a", 3], ["x", "y"], "row 2 (the text is '3', of type int)"),
        (["a", 3, 4.5], ["x", "y", None], "row 3 (the text is '4.5', of type float)"),
        (["a", "b"], "xy", "expected a list of labels"),
        (["a", "b"], {"x": 1, "y": 2}, "labels are a dict"),
        (None, ["x"], "texts are a NoneType"),
    ],
)
def test_data_that_cannot_be_used_is_refused_before_training(
    toy_base: Path, texts: list[str], labels: list[str], fragment: str
) -> None:
    with pytest.raises((InputError, DataError)) as caught:
        Classifier(base=toy_base, settings=QUICK).fit(texts, labels)
    assert fragment in str(caught.value)


def test_small_sets_are_trained_with_a_warning_that_is_kept(
    toy_base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    classifier = Classifier(base=toy_base, settings=QUICK).fit(["a parcel", "a card", "my card"], ["p", "c", "c"])
    assert any("32" in warning for warning in classifier.warnings_)
    assert "32" in caplog.text
    classifier.save(tmp_path / "model")
    assert Classifier.load(tmp_path / "model").warnings_ == classifier.warnings_


def test_a_model_that_keeps_no_examples_quotes_none_in_its_warnings(toy_base: Path, tmp_path: Path) -> None:
    texts, labels = _texts(3)
    texts, labels = [*texts, *2 * ["my PIN is 4711"]], [*labels, *2 * [labels[0]]]
    for keep in (True, False):
        classifier = Classifier(base=toy_base, settings=QUICK, keep_examples=keep).fit(texts, labels)
        assert any("4711" in warning for warning in classifier.warnings_) is keep
        classifier.save(tmp_path / str(keep))
    kept = [path.read_bytes() for path in (tmp_path / "False").iterdir()]
    assert not any(b"4711" in content for content in kept)
    assert any("more than once" in warning for warning in classifier.warnings_)


def test_markup_is_stripped_in_training_and_in_answers_when_asked(toy_base: Path, tmp_path: Path) -> None:
    classifier = Classifier(base=toy_base, settings=QUICK, clean=True).fit(*_texts(3))
    classifier.save(tmp_path / "model")
    plain, marked = ["my card is lost"], ["<p>my <b>card</b> is lost</p>"]
    for each in (classifier, Classifier.load(tmp_path / "model")):
        np.testing.assert_array_equal(each.predict_proba(plain), each.predict_proba(marked))


def test_markup_is_stripped_once_wherever_a_text_is_read(toy_base: Path, tmp_path: Path) -> None:
    # Once cleaned it is "my card <lost>"; cleaning that, too, would leave "my card".
    written, once, twice = "my card &lt;lost&gt;", "my card <lost>", "my card"
    classifier = Classifier(base=toy_base, settings=QUICK, clean=True).fit(*_texts(3))
    classifier.save(tmp_path / "model")
    artifact = read_artifact(tmp_path / "model")
    as_it_is = ModelLoader().load(replace(artifact, manifest=replace(artifact.manifest, clean=False)))
    wanted, wrong = (artifact.decision.probabilities(as_it_is.embed([text])) for text in (once, twice))
    assert np.abs(wanted - wrong).max() > 0.05
    for each in (classifier, Classifier.load(tmp_path / "model")):
        for speed in get_args(Speed):
            np.testing.assert_allclose(each.predict_proba([written], speed=speed), wanted, atol=1e-6)
    by_torch = Classifier.load(tmp_path / "model", device="cpu")
    np.testing.assert_allclose(by_torch.predict_proba([written]), wanted, atol=0.04)
    classifier.update([written], ["card"])
    nearest = classifier.explain([written], n_examples=1, n_words=0)[0].examples[0]
    assert nearest.text == once
    assert nearest.similarity == pytest.approx(1, abs=1e-4)


def test_data_are_checked_as_they_are_read(toy_base: Path) -> None:
    texts, labels = _texts(2)
    marked = [f"<p class='{'x ' * 80}'>{text}</p>" for text in texts]
    plain = Classifier(base=toy_base, settings=QUICK).fit(marked, labels).warnings_
    cleaned = Classifier(base=toy_base, settings=QUICK, clean=True).fit(marked, labels).warnings_
    assert any("longer than the 64 tokens" in warning for warning in plain)
    assert not any("longer than the 64 tokens" in warning for warning in cleaned)


@pytest.mark.parametrize(
    ("parameters", "fragment"),
    [
        ({"seed": -1}, "seed is -1; expected a whole number"),
        ({"seed": None}, "seed is None"),
        ({"effort": "utmost", "settings": None}, "effort is 'utmost'; expected one of: quick, balanced, thorough"),
        ({"max_length": 1000}, "max_length is 1000; this base reads 3 to 64 tokens"),
        ({"max_length": -1}, "max_length is -1; this base reads 3 to 64 tokens"),
        ({"max_length": 0}, "max_length is 0; this base reads 3 to 64 tokens"),
        ({"max_length": "9"}, "max_length is '9'"),
        ({"device": "abacus"}, "device is 'abacus', which torch cannot use here"),
        ({"device": None}, "device is None, which torch cannot use here"),
        ({"settings": TrainingSettings(tail_layers=9)}, "has 4 layers"),
    ],
)
def test_parameters_that_cannot_be_honoured_are_refused(
    toy_base: Path, parameters: dict[str, Any], fragment: str
) -> None:
    classifier = Classifier(base=toy_base, settings=QUICK).set_params(**parameters)
    with pytest.raises(InputError) as caught:
        classifier.fit(*_texts(2))
    assert fragment in str(caught.value)


def test_texts_that_were_all_left_out_are_told(toy_base: Path) -> None:
    classifier = Classifier(base=toy_base, settings=QUICK)
    with pytest.raises(
        InputError, match=r"There are no examples. 2 rows have no text and are left out: row 1, row 2\."
    ):
        classifier.fit(["", " "], ["x", "y"])
    with pytest.raises(InputError, match=r"There are no examples. Give texts with their labels\."):
        classifier.fit([], [])
    classifier.fit(*_texts(2))
    with pytest.raises(InputError, match=r"There are no examples. 1 row has no text and is left out: row 1\."):
        classifier.update([""], ["x"])


def test_parameters_from_numpy_are_kept_in_the_model(toy_base: Path) -> None:
    classifier = Classifier(base=toy_base, settings=QUICK).set_params(seed=np.int64(3), max_length=np.int64(32))
    manifest = classifier.fit(*_texts(2)).manifest_
    assert (manifest.training["seed"], manifest.max_length) == (3, 32)
    assert type(manifest.training["seed"]) is type(manifest.max_length) is int


def test_labels_are_compared_as_they_are_kept(toy_base: Path) -> None:
    texts, labels = _texts(2)
    spaced = [f" {label}" for label in labels]
    classifier = Classifier(base=toy_base, settings=QUICK).fit(texts, spaced)
    assert classifier.score(texts, spaced) == classifier.score(texts, labels) > 0.3
    numbers = [len(label) for label in labels]
    scores = cross_val_score(Classifier(base=toy_base, settings=QUICK), texts, numbers, cv=2, error_score="raise")
    assert np.isfinite(scores).all()


def test_nothing_answers_before_it_is_fitted(toy_base: Path) -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        Classifier(base=toy_base).predict(["x"])


# scikit-learn's conventions


def test_it_can_be_cloned_and_its_parameters_read_and_set(toy_base: Path) -> None:
    classifier = Classifier(base=toy_base, seed=3, settings=QUICK)
    copy = clone(classifier)
    assert copy.get_params() == classifier.get_params()
    assert copy.set_params(seed=4).seed == 4
    with pytest.raises(ValueError, match="no parameter 'speed'"):
        copy.set_params(speed=1)


def test_it_works_in_cross_val_score(toy_base: Path) -> None:
    texts, labels = _texts(3)
    scores = cross_val_score(Classifier(base=toy_base, settings=QUICK), texts, labels, cv=2)
    assert scores.shape == (2,)
    assert scores.mean() > 0.5


def test_it_works_in_grid_search(toy_base: Path) -> None:
    texts, labels = _texts(3)
    search = GridSearchCV(Classifier(base=toy_base, settings=QUICK), {"seed": [0, 1]}, cv=2, scoring="f1_macro")
    search.fit(texts, labels)
    assert search.best_estimator_.classes_.tolist() == ["card", "film", "parcel"]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_copy_answers_alike_wherever_it_is_made(fitted: Classifier, toy_base: Path, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    texts, _ = _texts(1)
    for original in (fitted, Classifier.load(tmp_path / "model")):
        for copied in (copy.deepcopy(original), pickle.loads(pickle.dumps(original))):
            np.testing.assert_allclose(copied.predict_proba(texts), original.predict_proba(texts), atol=1e-6)
            assert copied.manifest_ == original.manifest_
    assert copy.copy(Classifier(base=toy_base, seed=3)).get_params() == Classifier(base=toy_base, seed=3).get_params()


def test_a_copy_does_not_need_the_folder_that_its_model_was_loaded_from(
    fitted: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted.save(tmp_path / "model")
    texts, _ = _texts(1)
    monkeypatch.chdir(tmp_path)
    loaded = Classifier.load("model")
    wanted = loaded.predict_proba(texts)
    monkeypatch.chdir(tmp_path.parent)
    sent, copied = pickle.dumps(loaded), copy.deepcopy(loaded)
    loaded.save(tmp_path / "saved")
    (tmp_path / "model").rename(tmp_path / "moved")
    for each in (loaded, copied, pickle.loads(sent), Classifier.load(tmp_path / "saved")):
        np.testing.assert_allclose(each.predict_proba(texts), wanted, atol=1e-6)
    copied.update(["my card again"], ["card"])
    copied.save(tmp_path / "updated")
    with pytest.raises(BaseNotFoundError, match="is not there any more"):
        loaded.save(tmp_path / "elsewhere")


def test_a_loaded_model_has_the_settings_that_it_was_trained_with(fitted: Classifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    loaded = Classifier.load(tmp_path / "model")
    assert loaded.settings == CHECKED
    assert clone(loaded).settings == CHECKED
    assert loaded.max_length == fitted.manifest_.max_length


def test_settings_of_another_fewfit_are_left_out_with_a_warning(
    fitted: Classifier, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fitted.save(tmp_path / "model")
    manifest = json.loads((tmp_path / "model" / "model.json").read_text())
    manifest["training"]["settings"]["moon_phase"] = 3
    (tmp_path / "model" / "model.json").write_text(json.dumps(manifest))
    assert Classifier.load(tmp_path / "model").settings == CHECKED
    assert "moon_phase" in caplog.text


def test_indicator_matrices_come_back_as_indicator_matrices(toy_base: Path, tmp_path: Path) -> None:
    texts, labels = _texts(3)
    matrix = np.array([[label == name for name in ("card", "film", "parcel")] for label in labels], dtype=int)
    classifier = Classifier(base=toy_base, settings=QUICK).fit(texts, matrix)
    answers = classifier.predict(texts)
    assert isinstance(answers, np.ndarray)
    assert answers.shape == matrix.shape
    assert type_of_target(answers) == "multilabel-indicator"
    assert classifier.classes_.tolist() == [0, 1, 2]
    classifier.save(tmp_path / "model")
    loaded = Classifier.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(texts), answers)
    assert loaded.classes_.tolist() == [0, 1, 2]
    scores = cross_val_score(Classifier(base=toy_base, settings=QUICK), texts, matrix, cv=2, scoring="f1_macro")
    assert np.isfinite(scores).all()


def test_columns_of_an_indicator_matrix_are_named_by_their_numbers(toy_base: Path) -> None:
    texts, labels = _texts(3)
    matrix = np.zeros((len(texts), 11), dtype=int)
    for row, label in enumerate(labels):
        matrix[row, {"card": 1, "film": 2, "parcel": 10}[label]] = 1
    weighed = Classifier(base=toy_base, settings=QUICK, class_weight={1: 2.0, np.int64(2): 0.5, "10": 3.0})
    weighed.fit(texts, matrix)
    assert weighed.manifest_.training["class_weight"] == {"01": 2.0, "02": 0.5, "10": 3.0}
    assert np.array(weighed.predict(texts, thresholds={1: 0.0}))[:, 1].all()
    assert not np.array(weighed.predict(texts, thresholds={np.int64(10): 1.0}))[:, 10].any()
    assert weighed.explain(texts[:1], label=1, n_words=0)[0].label == "01"
    with pytest.raises(InputError, match="There is no label 11"):
        weighed.predict(texts, thresholds={11: 0.5})
    for width in (1, 10, 12):
        other = np.zeros((len(texts), width), dtype=int)
        for ask in (weighed.score, weighed.evaluate, weighed.update):
            with pytest.raises(InputError, match=f"has {width} columns; expected 11"):
                ask(texts, other)


@pytest.mark.parametrize("form", [csr_matrix, csr_array, pd.DataFrame, np.ndarray.tolist])
def test_an_indicator_matrix_may_be_sparse_a_data_frame_or_lists(toy_base: Path, form: Callable[..., Any]) -> None:
    texts, labels = _texts(2)
    matrix = np.array([[label == name for name in ("card", "film")] for label in labels], dtype=int)
    classifier = Classifier(base=toy_base, settings=QUICK).fit(texts, form(matrix))
    assert classifier.classes_.tolist() == [0, 1]
    assert classifier.manifest_.training["label_counts"] == {"0": 6, "1": 6}
    assert classifier.score(texts, form(matrix)) == classifier.score(texts, matrix)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (pd.DataFrame({"text": ["a", "b"]}), r"The texts are a DataFrame of 2 x 1; .*table\['text'\]"),
        (np.array([["a"], ["b"]]), "The texts are a ndarray of 2 x 1"),
        ({"a", "b"}, "The texts are a set, which has no order"),
    ],
)
def test_texts_that_are_no_list_are_refused(fitted: Classifier, texts: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fitted.predict(texts)
    with pytest.raises(InputError, match=message):
        Classifier().fit(texts, ["x", "y"])


def test_a_speed_that_does_not_exist_is_refused(fitted: Classifier) -> None:
    with pytest.raises(InputError, match="speed is 'fats'; expected one of: full, fast"):
        fitted.predict(["a"], speed="fats")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"settings": 5}, "settings is 5; expected TrainingSettings"),
        ({"settings": {"n_fold": 7}}, "settings is {'n_fold': 7}; expected TrainingSettings"),
        ({"settings": QUICK, "effort": "x"}, "effort is 'x'"),
    ],
)
def test_settings_and_effort_that_cannot_be_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Classifier(**given).fit(["a", "b"], ["x", "y"])
