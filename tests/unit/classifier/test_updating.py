from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewfit import Classifier
from fewfit.data import text_key
from fewfit.decision import Kind
from fewfit.errors import InputError
from tests.unit.classifier.conftest import QUICK, labelled


def test_a_new_label_is_learnt_and_the_old_ones_are_kept(model_folder: Path, tmp_path: Path) -> None:
    clf = Classifier.load(model_folder)
    done = clf.update(*labelled("rain", times=3))
    assert done.new_labels == ("rain",)
    assert (done.n_added, done.n_replaced, done.n_examples) == (9, 0, 63)
    assert clf.classes_.tolist() == ["card", "film", "parcel", "rain"]
    texts, names = labelled("parcel", "card", "film", "rain", times=4, start=6)
    right = np.array(clf.predict(texts)) == np.array(names)
    assert right.mean() > 0.75
    assert right[[name == "rain" for name in names]].mean() > 0.5
    clf.save(tmp_path / "updated")
    again = Classifier.load(tmp_path / "updated")
    np.testing.assert_allclose(again.predict_proba(texts), clf.predict_proba(texts), atol=1e-6)
    assert again.manifest_ == clf.manifest_
    assert again.evaluate(texts, names).frozen is None


def test_it_says_that_training_again_pays_for_a_new_label_and_for_many_examples(model_folder: Path) -> None:
    clf = Classifier.load(model_folder)
    assert not clf.update(*labelled("card", "film", "parcel", times=1, start=20)).retrain
    many = clf.update(*labelled("card", "film", "parcel", times=2, start=30))
    assert not many.retrain  # 27 of 54: not more than half
    more = clf.update(*labelled("card", times=1, start=40))
    assert len(more.reasons) == 1
    assert "30 examples came after" in more.reasons[0]
    new = clf.update(*labelled("rain", times=1))
    assert "never tuned to tell 'rain'" in new.reasons[0]
    assert "'rain'" in clf.update(["my parcel again"], ["parcel"]).reasons[0]  # until it is trained again


def test_it_says_so_when_the_new_texts_are_unlike_the_old_ones(model_folder: Path) -> None:
    texts, names = labelled("card", "film", "parcel", times=1, start=20)
    done = Classifier.load(model_folder).update(texts, [*names[3:], *names[:3]])
    assert done.before is not None
    assert done.before.subset_accuracy < 0.5
    assert any("unlike the old ones" in reason for reason in done.reasons)


def test_examples_that_are_there_are_replaced(model_folder: Path) -> None:
    clf = Classifier.load(model_folder)
    texts, _ = labelled("film", times=6)
    done = clf.update(texts, ["cinema"] * len(texts))
    assert (done.n_added, done.n_replaced, done.n_examples) == (0, 18, 54)
    assert clf.manifest_.training["label_counts"] == {"card": 18, "film": 0, "parcel": 18, "cinema": 18}
    answers = clf.predict(texts)
    assert "film" not in answers
    assert np.mean([answer == "cinema" for answer in answers]) > 0.5


def test_a_correction_need_not_be_written_exactly_as_the_example(model_folder: Path, caplog: Any) -> None:
    clf = Classifier.load(model_folder)
    (text, *_), _ = labelled("film", times=1)
    done = clf.update([f" {text.upper()} ", None], ["cinema", "film"])  # type: ignore[list-item]
    assert (done.n_added, done.n_replaced, done.n_examples) == (0, 1, 54)
    assert "1 row has no text and is left out: row 2" in caplog.text
    found = clf.explain([text], n_examples=54, n_words=0)[0].examples
    assert [each.labels for each in found if text_key(each.text) == text_key(text)] == [("cinema",)]


def test_the_head_is_the_one_that_all_examples_give(model_folder: Path) -> None:
    from fewfit.training import Targets, fit_head

    clf = Classifier.load(model_folder)
    assert clf._artifact.examples is not None
    old = clf._artifact.examples
    texts, names = labelled("card", "film", times=2, start=9)
    embeddings = clf._runtime().embed(texts)
    clf.update(texts, names)
    labels = [clf.classes_[row.argmax()] for row in old.matrix] + names
    together = np.concatenate([old.embeddings.astype(np.float32), embeddings])
    expected = fit_head(together, Targets.from_labels(labels, known=clf.classes_.tolist()))
    # Batches differ from call to call, embeddings by rounding, and the fit ends where it is near enough.
    np.testing.assert_allclose(clf.decision_.head.weight, expected.weight, atol=0.02)
    assert np.abs(expected.weight).max() > 1


def test_an_example_that_is_there_leaves_the_head_of_many_examples_as_it_was(toy_base: Path) -> None:
    texts, names = labelled("card", "film", times=20)
    clf = Classifier(base=toy_base, settings=QUICK).fit(texts, names)
    before = clf.decision_.head.weight
    clf.update(texts[:1], names[:1])
    size = np.abs(before).max()
    np.testing.assert_allclose(clf.decision_.head.weight, before, atol=0.02 * size)


def test_multilabel_thresholds_move_as_far_as_the_new_texts_are_many(multi_folder: Path) -> None:
    clf = Classifier.load(multi_folder)
    before = clf.decision_.thresholds
    texts, names = labelled("card", "rain", times=2, start=9)
    done = clf.update([*texts, "nothing of it"], [*([name] for name in names), []])
    assert done.new_labels == ("rain",)
    assert before is not None
    assert clf.decision_.thresholds is not None
    assert len(clf.decision_.thresholds) == 3
    assert clf.decision_.thresholds[1] == pytest.approx(before[1])  # parcels: no new text has that label
    surest = [(answer or ["none"])[0] for answer in clf.predict(texts)]  # the first of an answer is its surest
    assert np.mean([found == "rain" for found, name in zip(surest, names, strict=True) if name == "rain"]) > 0.5
    assert np.mean([found == "rain" for found, name in zip(surest, names, strict=True) if name == "card"]) < 0.5


def test_a_model_that_was_just_trained_can_be_updated_and_saved(toy_base: Path, tmp_path: Path) -> None:
    clf = Classifier(base=toy_base, settings=QUICK).fit(*labelled("parcel", "card"))
    clf.update(*labelled("film", times=2))
    texts, _ = labelled("parcel", "film", times=2)
    clf.save(tmp_path / "model")
    loaded = Classifier.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.predict_proba(texts), clf.predict_proba(texts), atol=1e-5)


def test_what_cannot_be_updated_is_refused_and_nothing_changes(
    model_folder: Path, toy_base: Path, tmp_path: Path
) -> None:
    clf = Classifier.load(model_folder)
    with pytest.raises(InputError, match="model is single-label"):
        clf.update(["a"], [["card"]])
    with pytest.raises(InputError, match="no examples"):
        clf.update([], [])
    assert clf.manifest_ == Classifier.load(model_folder).manifest_
    private = Classifier(base=toy_base, settings=QUICK, keep_examples=False).fit(*labelled("parcel", "card"))
    private.save(tmp_path / "private")
    assert not (tmp_path / "private" / "examples.safetensors").exists()
    for each in (private, Classifier.load(tmp_path / "private")):
        assert each.keep_examples is False
        with pytest.raises(InputError, match="keep_examples=False"):
            each.update(["a card"], ["card"])


def test_texts_that_all_carry_a_label_say_nothing_of_where_others_end(multi_folder: Path) -> None:
    before = Classifier.load(multi_folder)
    column = list(before.classes_).index("parcel")
    assert before.decision_.thresholds is not None
    threshold = before.decision_.thresholds[column]
    for times in (2, 6, 20):
        clf = Classifier.load(multi_folder)
        texts, names = labelled("parcel", times=times, start=60)
        clf.update(texts, [[name] for name in names])
        assert clf.decision_.thresholds is not None
        assert clf.decision_.thresholds[column] == pytest.approx(threshold)
        texts, names = labelled("rain", times=times, start=60)
        clf.update(texts, [[name] for name in names])
        assert clf.decision_.thresholds[-1] == pytest.approx(np.median(before.decision_.thresholds), abs=0.05)


def test_several_spellings_of_one_text_are_no_held_out_texts(model_folder: Path) -> None:
    done = Classifier.load(model_folder).update(["Where is my parcel 3", "where is my  parcel 3"], ["parcel", "parcel"])
    assert done.after is None


def test_new_texts_are_compared_with_what_the_model_that_was_kept_had_right(model_folder: Path) -> None:
    texts, names = labelled("card", "film", "parcel", times=1, start=20)
    wrong = [*names[3:], *names[:3]]
    reasons = {}
    for tuned in (True, False):
        clf = Classifier.load(model_folder)
        figures = {"tuned": {"subset_accuracy": 0.9}, "frozen": {"subset_accuracy": 0.1}}
        manifest = replace(clf.manifest_, tuned=tuned, metrics={"out_of_fold": figures})
        clf._artifact = replace(clf._artifact, manifest=manifest)
        reasons[tuned] = any("unlike the old ones" in reason for reason in clf.update(texts, wrong).reasons)
    assert reasons == {True: True, False: False}


# Of 72 cards and 12 films a model keeps 12 each, and gets another card.
@pytest.mark.parametrize(
    ("kind", "weights"),
    [
        ("single", [(73 / 85) / (13 / 25), (12 / 85) / (12 / 25)]),
        ("multi", [(73 / 12) / (13 / 12), (12 / 73) / (12 / 13)]),
    ],
)
def test_labels_stay_as_frequent_as_they_were_where_a_balanced_sample_is_kept(
    toy_base: Path, kind: Kind, weights: list[float]
) -> None:
    from fewfit.training import Targets, fit_head

    texts, names = labelled("card", times=24)
    films, _ = labelled("film", times=4)
    single = [*names, *["film"] * len(films)]
    given: Any = single if kind == "single" else [[name] for name in single]
    clf = Classifier(base=toy_base, settings=QUICK, class_weight=None).fit([*texts, *films], given)
    assert clf._artifact.examples is not None
    old = clf._artifact.examples.take(np.r_[: len(films), len(texts) : len(texts) + len(films)])
    clf._artifact = replace(clf._artifact, examples=old)
    together = np.concatenate([old.embeddings.astype(np.float32), clf._runtime().embed(["a second card"])])
    done = clf.update(["a second card"], ["card"] if kind == "single" else [["card"]])
    assert done.n_examples == 85
    assert clf.manifest_.training["label_counts"] == {"card": 73, "film": 12}
    targets = Targets(kind, ("card", "film"), np.concatenate([old.matrix, [[True, False]]]))
    expected = fit_head(together, replace(targets, weights=np.array(weights)), tuned=True)
    size = np.abs(expected.weight).max()
    np.testing.assert_allclose(clf.decision_.head.weight, expected.weight, atol=0.02 * size)
    np.testing.assert_allclose(clf.decision_.head.bias, expected.bias, atol=0.02 * size)
    again = clf.update(["a third card"], ["card"] if kind == "single" else [["card"]])
    assert again.n_examples == 86
    assert clf.manifest_.training["label_counts"] == {"card": 74, "film": 12}
