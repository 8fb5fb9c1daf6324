import json
from pathlib import Path

import numpy as np
import pytest

from fewfit import Classifier
from fewfit.artifact import SCHEMA_VERSION

GOLDEN = Path(__file__).parents[2] / "golden"


def test_every_schema_has_a_golden_model() -> None:
    assert [path.name for path in sorted(GOLDEN.glob("model-v*"))] == [
        f"model-v{number}" for number in range(1, SCHEMA_VERSION + 1)
    ]


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_a_model_saved_long_ago_still_answers_as_it_did(version: int) -> None:
    wanted = json.loads((GOLDEN / f"answers-v{version}.json").read_text(encoding="utf-8"))
    classifier = Classifier.load(GOLDEN / f"model-v{version}")
    assert classifier.classes_.tolist() == wanted["labels"]
    # Another CPU may round the int8 products' neighbours differently.
    np.testing.assert_allclose(classifier.predict_proba(wanted["texts"]), wanted["confidences"], atol=0.01)
