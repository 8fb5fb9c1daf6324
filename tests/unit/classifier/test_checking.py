from pathlib import Path

import pytest

from fewfit import Classifier
from fewfit.errors import InputError
from tests.unit.clear_texts import clear_examples

TEXTS = [example.text for example in clear_examples()]
LABELS = [example.labels[0] for example in clear_examples()]


def test_wrong_labels_and_leaks_are_found_before_anything_is_trained(toy_base: Path) -> None:
    labels = list(LABELS)
    labels[40] = "card"
    classifier = Classifier(base=toy_base)
    found = classifier.check(TEXTS, labels, eval=([TEXTS[7].upper(), "nothing like it"], ["parcel", "film"]))
    suggested = {suspect.row: suspect.suggested for suspect in found.suspects}
    assert suggested[41] == ("film",)
    assert 8 in found.leaks
    assert {"suspect_label", "leaked_text"} <= set(found.report.codes)
    assert not classifier.__sklearn_is_fitted__()


def test_multilabel_texts_are_checked_too(toy_base: Path) -> None:
    labels = [[label, "thing"] if label != "film" else [label] for label in LABELS]
    labels[4], labels[20] = [], ["film"]
    found = Classifier(base=toy_base).check(TEXTS, labels)
    assert {suspect.row for suspect in found.suspects} & {5, 21}
    assert all(set(suspect.suggested) != set(suspect.labels) for suspect in found.suspects)


@pytest.mark.parametrize("labels", [["a"] * 12, ["a", "b"]])
def test_data_that_no_model_can_judge_have_the_other_findings(toy_base: Path, labels: list[str]) -> None:
    found = Classifier(base=toy_base).check(TEXTS[: len(labels)], labels)
    assert found.suspects == ()
    assert "few_examples" in found.report.codes


def test_what_is_no_pair_is_refused(toy_base: Path) -> None:
    with pytest.raises(InputError, match="pair"):
        Classifier(base=toy_base).check(TEXTS, LABELS, eval="test.csv")  # type: ignore[arg-type]
