"""Classifiers whose tail is a low-rank change of the base's own."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from fewfit import Classifier
from fewfit.artifact import read_artifact, write_artifact
from fewfit.encoders.encoder import Encoder
from fewfit.encoders.lora import lora_rank
from fewfit.encoders.quantize import without_smoothing
from fewfit.errors import ArtifactError, BaseNotFoundError, InputError
from fewfit.serving import Engine, EngineSettings, export_onnx
from fewfit.serving.parity import TOLERANCE
from fewfit.testing import write_toy_base
from fewfit.training import TrainingSettings
from fewfit.training.defaults import lora_rank_for

SETTINGS = TrainingSettings(tail_layers=2, lora_rank=4, steps=16, n_folds=2, learning_rate=1e-2)
_WORDS = {"parcel": "the parcel has not arrived", "card": "my card was charged twice", "film": "what a lovely film"}


def _texts(swapped: bool = False) -> tuple[list[str], list[str]]:
    names = list(_WORDS)
    texts = [
        f"{text} {'please tell me more'[: 2 * number]} {number}" for number in range(12) for text in _WORDS.values()
    ]
    labels = [names[(place + swapped) % 3] for _ in range(12) for place in range(3)]
    return texts, labels


@pytest.fixture(scope="module")
def fitted(toy_base: Path) -> Classifier:
    return Classifier(base=toy_base, settings=SETTINGS).fit(*_texts())


@pytest.fixture(scope="module")
def folder(fitted: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("low-rank") / "model"
    fitted.save(folder)
    return folder


def test_it_learns_and_is_tuned(fitted: Classifier, folder: Path) -> None:
    texts, labels = _texts()
    assert np.mean(np.array(fitted.predict(texts)) == np.array(labels)) > 0.8
    changes = [array for name, array in read_artifact(folder).tail.items() if name.endswith("lora_b")]
    assert len(changes) == 4
    assert all(np.abs(array).max() > 0 for array in changes)


def test_save_and_load_change_nothing(fitted: Classifier, folder: Path, toy_base: Path) -> None:
    texts, _ = _texts()
    wanted = fitted.predict_proba(texts)
    np.testing.assert_allclose(Classifier.load(folder).predict_proba(texts), wanted, atol=1e-6)
    with_torch = Classifier.load(folder, base=toy_base, device="cpu").predict_proba(texts)
    assert np.abs(with_torch - wanted).max() < 0.05


def test_a_slim_model_is_small_and_finds_what_it_shares_in_the_cache(
    fitted: Classifier, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEWFIT_CACHE", str(tmp_path / "cache"))
    fitted.save(tmp_path / "slim", slim=True)
    assert {"trunk.safetensors", "base_tail.safetensors"} == {path.name for path in folder.iterdir()} - {
        path.name for path in (tmp_path / "slim").iterdir()
    }
    assert (folder / "tail.safetensors").stat().st_size < 0.5 * (folder / "base_tail.safetensors").stat().st_size
    texts, _ = _texts()
    slim, whole = Classifier.load(tmp_path / "slim"), Classifier.load(folder)
    for text in texts:  # alone: how texts are put into batches differs from call to call, in the last digit
        np.testing.assert_array_equal(slim.predict_proba([text]), whole.predict_proba([text]))
    portable = read_artifact(tmp_path / "slim").portable
    assert portable is not None
    assert portable.tail_weights is not None
    (kept,) = (tmp_path / "cache" / "tails").iterdir()
    kept.unlink()
    with pytest.raises(BaseNotFoundError, match="saved without its tail"):
        portable.tail_weights.content()


def test_models_on_one_base_share_a_tail_and_each_answers_for_itself(
    fitted: Classifier, folder: Path, toy_base: Path, tmp_path: Path
) -> None:
    other = Classifier(base=toy_base, settings=replace(SETTINGS, lora_rank=4), seed=1).fit(*_texts(swapped=True))
    other.save(tmp_path / "other")
    plain = Classifier(base=toy_base, settings=replace(SETTINGS, lora_rank=0, learning_rate=1e-3)).fit(*_texts())
    plain.save(tmp_path / "plain")
    texts, _ = _texts()
    models = {"first": (fitted, folder), "other": (other, tmp_path / "other"), "plain": (plain, tmp_path / "plain")}
    with Engine(EngineSettings(own_tails=0)) as engine:
        served = {name: engine.load(name, place) for name, (_, place) in models.items()}
        futures = [(name, engine.submit(name, [text])) for text in texts for name in models]
        for number, (name, future) in enumerate(futures):
            wanted = models[name][0].predict_proba([texts[number // 3]])
            exact = name == "plain" or served[name].precision == "fp32"
            np.testing.assert_allclose(future.result().confidences, wanted, atol=1e-5 if exact else TOLERANCE)
    if served["first"].precision == served["other"].precision:
        assert served["first"].tail.shared is served["other"].tail.shared
    assert served["first"].tail.shared is not None
    assert served["plain"].tail.shared is None
    assert served["first"].size_bytes < 0.5 * served["plain"].size_bytes


def test_a_whole_tail_is_smoothed_too_and_read_by_torch_without_that(toy_base: Path, tmp_path: Path) -> None:
    plain = Classifier(base=toy_base, settings=TrainingSettings(tail_layers=2, lora_rank=0, steps=1, n_folds=0))
    plain.fit(*_texts())
    plain.save(tmp_path / "plain")
    artifact = read_artifact(tmp_path / "plain")
    assert artifact.manifest.serving["precision"] != "fp32"
    tail = artifact.tail
    assert len(tail) > len(without_smoothing(tail))
    encoder = Encoder.load(toy_base, device="cpu")
    assert encoder.tail_of(2, tail).state_dict().keys() == without_smoothing(tail).keys()
    with_torch = Classifier.load(tmp_path / "plain", device="cpu")
    texts, _ = _texts()
    np.testing.assert_allclose(with_torch.predict_proba(texts), plain.predict_proba(texts), atol=TOLERANCE)


def test_a_tail_of_all_layers_is_low_rank_too_and_served_like_others(toy_base: Path, tmp_path: Path) -> None:
    settings = TrainingSettings(all_layers_from=4, steps=4, n_folds=0)
    texts, names = _texts()
    rows = [row for row, name in enumerate(names) if name in sorted(set(names))[:2]]
    texts, names = [texts[row] for row in rows], [names[row] for row in rows]
    clf = Classifier(base=toy_base, settings=settings).fit(texts, names)
    clf.save(tmp_path / "deep")
    artifact = read_artifact(tmp_path / "deep")
    assert artifact.manifest.base.tail_layers == artifact.manifest.base.n_layers == 4
    assert artifact.portable is not None
    assert artifact.portable.tail_weights is not None
    again = Classifier.load(tmp_path / "deep")
    np.testing.assert_allclose(again.predict_proba(texts), clf.predict_proba(texts), atol=TOLERANCE)
    with Engine() as engine:
        served = [engine.load(f"model {number}", tmp_path / "deep") for number in range(3)]
        assert [model.tail.shared is None for model in served] == [True, True, False]
        for model in served:
            answers = engine.answer(model, texts).confidences
            np.testing.assert_allclose(answers, again.predict_proba(texts), atol=TOLERANCE)


@pytest.mark.parametrize(
    ("width", "given", "wanted"), [(384, None, 32), (768, None, None), (768, 32, 32), (384, 0, None)]
)
def test_in_wide_bases_all_weights_are_tuned_unless_wanted_otherwise(
    width: int, given: int | None, wanted: int | None
) -> None:
    encoder: Any = SimpleNamespace(config=SimpleNamespace(hidden_size=width), has_low_rank_form=True)
    assert lora_rank_for(encoder, "single", TrainingSettings(lora_rank=given)) == wanted


def test_the_first_models_of_an_engine_have_tails_of_their_own(folder: Path) -> None:
    texts, _ = _texts()
    with Engine() as engine:
        names = [f"model {number}" for number in range(4)]
        assert [engine.load(name, folder).tail.shared is None for name in names] == [True, True, False, False]
        answers = [engine.answer(name, texts).confidences for name in names]
        np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)
        np.testing.assert_allclose(answers[2], answers[3], atol=1e-5)
        assert np.abs(answers[0] - answers[2]).max() <= TOLERANCE
        engine.models.drop("model 0")
        assert engine.load("model 4", folder).tail.shared is None


def test_it_is_exported_as_one_file(fitted: Classifier, folder: Path, tmp_path: Path) -> None:
    export_onnx(folder, tmp_path / "model.onnx")
    session = ort.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == ["input_ids", "attention_mask"]


def test_update_keeps_the_tail(folder: Path) -> None:
    classifier = Classifier.load(folder)
    classifier.update(["the refund is late", "when do I get my money back", "a refund please"], ["refund"] * 3)
    assert "refund" in classifier.classes_.tolist()


def test_a_tail_that_lacks_a_part_is_not_loaded(folder: Path, tmp_path: Path) -> None:
    artifact = read_artifact(folder)
    tail = {name: array for name, array in artifact.tail.items() if name != "lora.1.out.lora_b"}
    write_artifact(tmp_path / "broken", replace(artifact, tail=tail))
    with pytest.raises(ArtifactError, match=r"lacks the parameter 'lora\.1\.out\.lora_b'"):
        Classifier.load(tmp_path / "broken")


def test_a_negative_rank_is_refused() -> None:
    with pytest.raises(InputError, match="lora_rank is -1; expected 0 or more"):
        TrainingSettings(lora_rank=-1)


@pytest.mark.parametrize(("several", "rank"), [(False, 32), (True, 64)])
def test_a_rank_is_chosen_by_the_kind_of_labels(tmp_path: Path, several: bool, rank: int) -> None:
    base = write_toy_base(tmp_path / "base", "bert", layers=2, hidden=128)
    texts, labels = _texts()
    targets = [[label, "any"][: 1 + place % 2] for place, label in enumerate(labels)] if several else labels
    Classifier(base=base, settings=replace(SETTINGS, lora_rank=None, n_folds=0)).fit(texts, targets).save(
        tmp_path / "model"
    )
    assert lora_rank(read_artifact(tmp_path / "model").tail) == rank


def test_a_change_that_says_something_else_is_kept_whole(
    toy_base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(SETTINGS, lora_rank=1, learning_rate=0.1, n_folds=0)
    classifier = Classifier(base=toy_base, settings=settings).fit(*_texts())
    assert "A change of rank 1 says something else" in caplog.text
    classifier.save(tmp_path / "model")
    artifact = read_artifact(tmp_path / "model")
    assert lora_rank(artifact.tail) is None
    assert artifact.portable is not None
    assert artifact.portable.tail_weights is None


def test_a_base_that_is_better_untuned_shares_its_tail(toy_base: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=40, learning_rate=1.0)  # which ruins it
    classifier = Classifier(base=toy_base, settings=settings).fit(*_texts())
    classifier.save(tmp_path / "model")
    artifact = read_artifact(tmp_path / "model")
    assert not artifact.manifest.tuned
    assert lora_rank(artifact.tail) == 4
    assert all(not array.any() for name, array in artifact.tail.items() if name.endswith("lora_b"))


@pytest.mark.slow  # what torch traces itself takes long
def test_encoders_of_other_kinds_are_tuned_whole(tmp_path: Path) -> None:
    base = write_toy_base(tmp_path / "base", "modernbert", layers=2)
    settings = replace(SETTINGS, lora_rank=None, tail_layers=1, steps=2, n_folds=0)
    Classifier(base=base, settings=settings).fit(*_texts()).save(tmp_path / "model")
    assert lora_rank(read_artifact(tmp_path / "model").tail) is None
