from pathlib import Path

import numpy as np
import pytest

from fewfit import Classifier
from fewfit.errors import InputError
from tests.unit.classifier.conftest import QUICK, labelled

_PATHS = {"parcel": "shop > parcel", "card": "shop > card", "film": "film"}


def test_answers_stop_at_a_parent_and_are_measured_at_each_depth(toy_base: Path, tmp_path: Path) -> None:
    texts, names = labelled("parcel", "card", "film")
    paths = [_PATHS[name] for name in names]
    Classifier(base=toy_base, settings=QUICK, path_separator=" > ").fit(texts, paths).save(tmp_path / "model")
    clf = Classifier.load(tmp_path / "model")
    assert clf.path_separator == " > "
    sure, unsure = clf.predict(texts), clf.predict(texts, stop_below=1.0)
    assert set(sure) == set(_PATHS.values())
    assert [str(answer).split(" > ")[0] for answer in sure] == list(unsure)
    by_depth = clf.evaluate_paths(texts, paths)
    assert by_depth[2].accuracy == pytest.approx(np.mean(np.array(sure) == np.array(paths)))
    first = [path.split(" > ")[0] for path in paths]
    assert by_depth[1].accuracy == pytest.approx(np.mean(np.array(unsure) == np.array(first)))
    assert by_depth[1].accuracy >= by_depth[2].accuracy
    with pytest.raises(InputError, match="2 texts and 1 labels"):
        clf.evaluate_paths(["a", "b"], ["film"])
    with pytest.raises(InputError, match=r"multilabel .* but the model is single-label"):
        clf.evaluate_paths(["a"], [["film"]])
    for wrong in ([None, "film"], ["film", float("nan")]):
        with pytest.raises(InputError, match=r"Row 2 has .* labels are either all strings"):
            clf.evaluate_paths(["a", "b"], wrong)  # type: ignore[arg-type]


def test_an_update_keeps_the_labels_a_tree(toy_base: Path) -> None:
    texts, names = labelled("parcel", "card", "film", times=2)
    paths = [_PATHS[name] for name in names]
    clf = Classifier(base=toy_base, settings=QUICK, path_separator=" > ").fit(texts, paths)
    for wrong in ("shop>parcel", "shop > "):
        with pytest.raises(InputError):
            clf.update(["my parcel again"], [wrong])
    assert clf.update(["my gift again"], ["shop > gift"]).new_labels == ("shop > gift",)
    assert clf.path_tree_.depth == 2


def test_labels_that_are_no_paths_have_no_tree(model_folder: Path, toy_base: Path) -> None:
    with pytest.raises(InputError, match="are no paths"):
        Classifier.load(model_folder).predict(["a"], stop_below=0.5)
    with pytest.raises(InputError, match="stop_below is 'a'; expected a confidence"):
        Classifier.load(model_folder).predict(["a"], stop_below="a")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="single-label"):
        Classifier(base=toy_base, settings=QUICK, path_separator=" > ").fit(["a b", "c"], [["x"], ["y"]])
    with pytest.raises(InputError, match="No label has ' / ' in it, such as 'a > b'; expected paths"):
        Classifier(base=toy_base, settings=QUICK, path_separator=" / ").fit(["a b", "c"], ["a > b", "c"])
