import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fewfit import Classifier
from fewfit.classifier.weights import label_weights
from fewfit.errors import InputError
from fewfit.training import Targets, fit_head
from tests.unit.classifier.conftest import QUICK, labelled


def test_weights_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(40, 6))
    names = [("a", "b", "c")[number] for number in rng.integers(0, 3, size=40)]
    for given in ("balanced", None, {"a": 5.0, "c": 0.2}):
        weights = label_weights(given, ("a", "b", "c"))
        matrix = np.array([[name == label for label in "abc"] for name in names])
        head = fit_head(embeddings, Targets("single", ("a", "b", "c"), matrix, weights))
        expected = LogisticRegression(C=10, class_weight=given, max_iter=1000).fit(embeddings, names)
        np.testing.assert_allclose(head.weight, expected.coef_, atol=1e-4)


def test_multilabel_weights_are_those_of_the_positives() -> None:
    rng = np.random.default_rng(0)
    embeddings, matrix = rng.normal(size=(40, 6)), rng.random((40, 2)) < 0.3
    head = fit_head(embeddings, Targets("multi", ("a", "b"), matrix, label_weights({"b": 4}, ("a", "b"))))
    for column, weight in enumerate((1, 4)):
        expected = LogisticRegression(C=10, class_weight={True: weight}, max_iter=1000).fit(
            embeddings, matrix[:, column]
        )
        np.testing.assert_allclose(head.weight[column], expected.coef_[0], atol=1e-4)


@pytest.mark.parametrize(
    ("given", "fragment"),
    [
        ("even", "expected 'balanced', None"),
        ({"dog": 1}, "is for the label 'dog'"),
        ({"a": 0}, "of 'a' is 0; expected a number above 0"),
        ({"a": "2"}, "of 'a' is '2'"),
        (3, "class_weight is 3"),
    ],
)
def test_weights_that_make_no_sense_are_refused(given: Any, fragment: str) -> None:
    with pytest.raises(InputError) as caught:
        label_weights(given, ("a", "b"))
    assert fragment in str(caught.value)


def test_a_label_that_counts_more_is_given_more_often_and_stays_so(toy_base: Path, tmp_path: Path) -> None:
    texts, names = labelled("parcel", "card", times=3)
    names = [["parcel", "card"][number % 2] for number, _ in enumerate(names)]  # nothing to learn: the weight decides
    shares = []
    for weight in (0.01, 100.0):
        clf = Classifier(base=toy_base, settings=QUICK, class_weight={"card": weight}).fit(texts, names)
        shares.append(clf.predict_proba(["something else"])[0, 0])
    assert all(low < high for low, high in itertools.pairwise(shares))
    clf.save(tmp_path / "model")
    loaded = Classifier.load(tmp_path / "model")
    assert loaded.class_weight == {"card": 100.0}
