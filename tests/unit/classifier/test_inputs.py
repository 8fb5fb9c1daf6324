"""Texts and labels as callers have them: tables, missing values."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fewfit import Classifier
from fewfit.classifier.inputs import label_names
from fewfit.errors import InputError
from tests.unit.classifier.conftest import QUICK, labelled

FRAME = pd.DataFrame({"label": ["billing", "delivery"], "other": ["a", "b"]})


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (FRAME[["label"]], r"one column with values such as 'billing'.*Give the column itself, df\['label'\]"),
        (FRAME[["label"]].to_numpy(), r"Give the column itself, labels\[:, 0\]"),
        (FRAME, "such as 'billing'. Give a matrix of 0 and 1 with a column a label, or a list"),
        (np.array([[0, 1], [2, 0]]), "such as 2"),
    ],
    ids=["frame", "array", "columns", "numbers"],
)
def test_a_table_that_is_no_indicator_matrix_says_what_to_give(labels: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        label_names(labels)


def test_fit_leaves_out_missing_texts_as_read_dataset_does(toy_base: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts, labels = labelled("parcel", "card", times=2)
    frame: Any = pd.DataFrame({"text": [*texts, float("nan"), None, pd.NA], "label": [*labels, "card", "card", "card"]})
    with caplog.at_level(logging.WARNING):
        classifier = Classifier(base=toy_base, settings=QUICK).fit(frame.text, frame.label)
    left_out = "3 rows have no text and are left out: row 13, row 14, row 15."
    assert left_out in caplog.text
    assert left_out in classifier.warnings_
