from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewfit import Classifier
from fewfit.errors import InputError
from fewfit.training import TrainingSettings
from tests.unit.classifier.conftest import CHECKED, QUICK, labelled


@pytest.fixture(scope="module")
def rejecting(toy_base: Path) -> Classifier:
    return Classifier(base=toy_base, settings=CHECKED, reject=0.2).fit(*labelled("parcel", "card", "film"))


def test_texts_unlike_all_others_get_no_label_and_ordinary_ones_do(rejecting: Classifier) -> None:
    ordinary, _ = labelled("parcel", "card", "film", times=3, start=6)
    odd = ["zzz 0x1f 0x2e 0x3d", "12 13 14 15 16 17 18 19", "ЖЖЖ ЩЩЩ", "{}[]();;;"] * 3
    refused = [answer is None for answer in rejecting.predict(ordinary)]
    assert np.mean(refused) <= 0.3
    assert np.mean([answer is None for answer in rejecting.predict(odd)]) > np.mean(refused)
    assert rejecting.predict_proba(odd).shape == (12, 3)


def test_it_is_saved_and_loaded_and_updated(rejecting: Classifier, tmp_path: Path) -> None:
    rejecting.save(tmp_path / "model")
    loaded = Classifier.load(tmp_path / "model")
    assert loaded.reject == 0.2
    texts = [*labelled("parcel", times=2, start=6)[0], "zzz 0x1f", ""]
    assert loaded.predict(texts) == rejecting.predict(texts)
    loaded.update(*labelled("rain", times=3))
    assert loaded.decision_.rejection is not None
    assert rejecting.decision_.rejection is not None
    assert len(loaded.decision_.rejection.references) == 4
    assert loaded.decision_.rejection.threshold == rejecting.decision_.rejection.threshold
    np.testing.assert_array_equal(loaded.answers(texts).rejected, [answer is None for answer in loaded.predict(texts)])


@pytest.mark.parametrize(
    ("parameters", "labels", "fragment"),
    [
        ({"reject": 0.0}, None, "reject is 0.0; expected a share"),
        ({"reject": "much"}, None, "reject is 'much'"),
        ({"reject": 0.05}, [["a"], []], "reject is for single-label models"),
        ({"reject": 0.05, "settings": QUICK}, None, "holds none out"),
        ({"reject": 0.01, "settings": TrainingSettings(n_folds=2, steps=1)}, None, "needs at least 99 examples"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    toy_base: Path, parameters: dict[str, Any], labels: list[Any] | None, fragment: str
) -> None:
    texts, names = labelled("parcel", "card", times=2)
    classifier = Classifier(base=toy_base, **parameters)
    with pytest.raises(InputError) as caught:
        classifier.fit(texts, names if labels is None else labels * 6)
    assert fragment in str(caught.value)


def test_too_few_texts_for_the_share_are_told_before_training(toy_base: Path) -> None:
    seen: list[object] = []
    classifier = Classifier(base=toy_base, settings=CHECKED, reject=0.01)
    with pytest.raises(InputError, match="at least 99 examples"):
        classifier.fit(*labelled("parcel", "card"), on_event=seen.append)
    assert seen == []
