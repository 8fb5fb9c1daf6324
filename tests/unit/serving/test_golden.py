import json
from pathlib import Path

import numpy as np
import pytest

from fewfit import Classifier
from fewfit.artifact import SCHEMA_VERSION, read_artifact
from fewfit.serving.served import ModelLoader

GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = sorted(path.name.removeprefix("model-") for path in GOLDEN.glob("model-*"))


def test_every_schema_has_golden_models() -> None:
    assert [f"v{number}{kind}" for number in range(1, SCHEMA_VERSION + 1) for kind in ("", "-low-rank")] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_model_saved_long_ago_still_answers_as_it_did(name: str) -> None:
    wanted = json.loads((GOLDEN / f"answers-{name}.json").read_text(encoding="utf-8"))
    classifier = Classifier.load(GOLDEN / f"model-{name}")
    assert classifier.classes_.tolist() == wanted["labels"]
    # Another CPU may round the int8 products' neighbours differently.
    np.testing.assert_allclose(classifier.predict_proba(wanted["texts"]), wanted["confidences"], atol=0.01)
    artifact = read_artifact(GOLDEN / f"model-{name}")
    shared = ModelLoader().load(artifact, own_tail=False)  # together with other models, where it is low-rank
    answers = shared.decision.probabilities(shared.embed(wanted["texts"]))
    np.testing.assert_allclose(answers, wanted["confidences"], atol=0.05)
