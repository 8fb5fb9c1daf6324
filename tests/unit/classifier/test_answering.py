"""What a classifier says of itself and of texts, in the ways that scikit-learn asks."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from fewfit import Classifier
from fewfit.errors import FewfitError, InputError, NotFittedError
from tests.unit.classifier.conftest import QUICK, labelled


def test_an_unknown_label_counts_as_wrong_in_the_score(model_folder: Path) -> None:
    clf = Classifier.load(model_folder)
    texts, names = labelled("parcel", "card", "film", times=1)
    whole = clf.score(texts, names)
    assert whole == np.mean(np.array(clf.predict(texts)) == np.array(names))
    assert clf.score([*texts, "it rains"], [*names, "rain"]) == pytest.approx(whole * len(texts) / (len(texts) + 1))
    assert clf.score(["it rains"], ["rain"]) == 0.0
    with pytest.raises(InputError, match="'rain', which is not one of the 3 known labels"):
        clf.evaluate([*texts, "it rains"], [*names, "rain"])


def test_a_row_with_an_unknown_label_is_wrong_whatever_else_it_has(multi_folder: Path) -> None:
    clf = Classifier.load(multi_folder)
    texts, _ = labelled("parcel", "card", "film", times=1)
    answers = [list(answer or ()) for answer in clf.predict(texts)]
    assert clf.score(texts, answers) == 1.0
    answers[0] = [*answers[0], "rain"]
    assert clf.score(texts, answers) == pytest.approx(1 - 1 / len(texts))
    with pytest.raises(InputError, match="The labels are single-label"):
        clf.score(texts, ["rain"] * len(texts))


def test_a_rare_label_does_not_fail_cross_validation(toy_base: Path) -> None:
    texts, names = labelled("parcel", "card", times=3)
    classifier = Classifier(base=toy_base, settings=QUICK)
    with pytest.warns(UserWarning, match="least populated class"):
        scores = cross_val_score(classifier, [*texts, "it rains"], [*names, "rain"], cv=2, error_score="raise")
    assert np.isfinite(scores).all()


def test_what_is_not_fitted_has_no_classes_as_hasattr_sees_it(toy_base: Path) -> None:
    classifier = Classifier(base=toy_base)
    for name in ("classes_", "warnings_", "manifest_", "path_tree_", "insight_"):
        assert not hasattr(classifier, name)
    assert getattr(classifier, "classes_", None) is None
    assert repr(clone(classifier)) == repr(classifier)
    with pytest.raises(NotFittedError, match="Call fit") as caught:
        _ = classifier.classes_
    assert isinstance(caught.value, FewfitError)
    assert isinstance(caught.value, AttributeError)
    assert caught.value.code == "not_fitted"
