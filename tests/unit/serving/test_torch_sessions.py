"""The engine on a device of torch's: here the CPU, which computes what a GPU would."""

from dataclasses import replace

import numpy as np
import pytest

from fewfit.errors import ArtifactError
from fewfit.serving import Engine, EngineSettings
from fewfit.serving.served import ModelLoader
from tests.unit.serving.models import TEXTS, ToyModel


@pytest.fixture(scope="module")
def here(toy_base: object, toy: ToyModel) -> ToyModel:
    """The toy model, with where its base is."""
    base = replace(toy.artifact.manifest.base, source=str(toy_base))
    toy.artifact = replace(toy.artifact, manifest=replace(toy.artifact.manifest, base=base))
    return toy


def _wanted(toy: ToyModel) -> np.ndarray:
    return toy.artifact.decision.probabilities(toy.runtime.embed(TEXTS))


def test_it_answers_like_the_trained_model(here: ToyModel) -> None:
    with Engine(EngineSettings(device="cpu")) as engine:
        model = engine.load("toy", here.artifact)
        answers = engine.answer("toy", TEXTS)
    assert model.precision in ("bf16", "fp32")
    np.testing.assert_allclose(answers.confidences, _wanted(here), atol=1e-5 if model.precision == "fp32" else 0.05)


def test_half_precision_that_answers_otherwise_is_not_used(here: ToyModel) -> None:
    assert here.artifact.probes is not None
    other = replace(here.artifact, probes=1 - here.artifact.probes)
    model = ModelLoader("cpu").load(other)
    assert model.precision == "fp32"
    np.testing.assert_allclose(here.artifact.decision.probabilities(model.embed(TEXTS)), _wanted(here), atol=1e-5)


def test_half_precision_is_used_where_it_answers_alike(here: ToyModel) -> None:
    # A head that hardly tells labels apart: no rounding changes its confidences by much.
    head = replace(here.artifact.decision.head, weight=here.artifact.decision.head.weight * np.float32(0.05))
    decision = replace(here.artifact.decision, head=head)
    from fewfit.serving.parity import ODD_TEXTS

    probes = decision.probabilities(here.runtime.embed(ODD_TEXTS))
    model = ModelLoader("cpu").load(replace(here.artifact, decision=decision, probes=probes))
    assert model.precision == "bf16"
    assert model.parity is not None
    assert 0 < model.parity.p99_difference <= model.parity.tolerance


def test_models_share_the_trunk_and_batches(here: ToyModel) -> None:
    settings = EngineSettings(device="cpu", workers=1, cache_limit_bytes=10_000_000)
    with Engine(settings) as engine:
        for name in ("one", "two"):
            engine.load(name, here.artifact)
        assert engine.models.get("one").trunk is engine.models.get("two").trunk
        futures = [engine.submit(("one", "two")[row % 2], [text]) for row, text in enumerate(TEXTS * 4)]
        found = np.stack([future.result(20).confidences[0] for future in futures])
        whole = engine.answer("one", TEXTS).confidences
    np.testing.assert_allclose(found, np.concatenate([whole] * 4), atol=0.02)


def test_another_base_at_its_place_is_refused(here: ToyModel) -> None:
    base = replace(here.artifact.manifest.base, digest="0" * 64)
    with pytest.raises(ArtifactError, match="Its answers would be others"):
        ModelLoader("cpu").load(replace(here.artifact, manifest=replace(here.artifact.manifest, base=base)))
