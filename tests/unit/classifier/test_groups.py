"""Labels in groups of which one applies each."""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from fewfit import Classifier
from fewfit.artifact import MANIFEST_FILE, read_artifact
from fewfit.encoders.tokenizing import Tokenizer
from fewfit.errors import ArtifactError, InputError
from fewfit.serving import export_onnx
from tests.unit.classifier.conftest import CHECKED, QUICK, labelled

_TOPICS = ("topic: card", "topic: film", "topic: parcel")
_TONES = ("tone: calm", "tone: upset")


def _grouped(times: int = 4, start: int = 0) -> tuple[list[str], list[list[str]]]:
    texts, names = labelled("parcel", "card", "film", times=times, start=start)
    lists = []
    for number, name in enumerate(names):
        upset = number % 2 == 1
        texts[number] += " this is a disgrace" if upset else ""
        lists.append([f"topic: {name}", _TONES[upset]])
    return texts, lists


def _answers(clf: Classifier, texts: list[str]) -> list[list[str]]:
    return [list(labels or ()) for labels in clf.predict(texts)]


@pytest.fixture(scope="module")
def fitted(toy_base: Path) -> Classifier:
    return Classifier(base=toy_base, settings=CHECKED, group_separator=": ").fit(*_grouped())


@pytest.fixture(scope="module")
def folder(fitted: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("groups") / "model"
    fitted.save(folder)
    return folder


def test_every_text_gets_one_label_of_each_group(fitted: Classifier) -> None:
    texts, lists = _grouped(times=2, start=30)
    answers = _answers(fitted, texts)
    assert all(tone in _TONES and topic in _TOPICS for tone, topic in answers)
    right = np.mean([sorted(answer) == sorted(wanted) for answer, wanted in zip(answers, lists, strict=True)])
    assert right > 0.5
    confidences = fitted.predict_proba(texts)
    np.testing.assert_allclose(confidences[:, :2].sum(axis=1), 1.0)
    np.testing.assert_allclose(confidences[:, 2:].sum(axis=1), 1.0)
    assert fitted.label_groups_.names == ("tone", "topic")


def test_each_group_is_measured(fitted: Classifier) -> None:
    texts, lists = _grouped(times=2, start=30)
    by_group = fitted.evaluate_groups(texts, lists)
    given = [set(answer) for answer in _answers(fitted, texts)]
    for number, name in ((0, "topic"), (1, "tone")):
        right = np.mean([labels[number] in answer for labels, answer in zip(lists, given, strict=True)])
        assert by_group[name].accuracy == pytest.approx(right)
    whole = fitted.evaluate(texts, lists, compare=False)
    both = np.mean([set(labels) == answer for labels, answer in zip(lists, given, strict=True)])
    assert whole.metrics.subset_accuracy == pytest.approx(both)
    assert whole.metrics.empty_share == 0
    assert whole.threshold_curves is None
    partly = [labels[:1] for labels in lists]
    assert set(fitted.evaluate_groups(texts, partly)) == {"topic"}
    with pytest.raises(InputError, match="2 texts and 1 labels"):
        fitted.evaluate_groups(["a", "b"], [["tone: calm"]])
    twice = [*lists[:-1], [*lists[-1], *_TONES]]
    with pytest.raises(InputError, match=f"Row {len(lists)} has .* of the group 'tone'; expected one"):
        fitted.evaluate_groups(texts, twice)


def test_held_out_figures_are_of_the_groups(fitted: Classifier) -> None:
    checked = fitted.insight_.cross_validation
    assert checked is not None
    assert checked.metrics.empty_share == 0
    assert fitted.insight_.learning_curve is not None


def test_save_and_load_change_nothing(fitted: Classifier, folder: Path) -> None:
    texts, _ = _grouped(times=1, start=30)
    again = Classifier.load(folder)
    assert again.group_separator == ": "
    assert again.decision_.groups == ((0, 1), (2, 3, 4))
    assert again.predict(texts) == fitted.predict(texts)
    np.testing.assert_allclose(again.predict_proba(texts), fitted.predict_proba(texts), atol=1e-6)


@pytest.mark.parametrize("groups", [[[0, 1]], [[0, 1], [1, 2, 3, 4]], []])
def test_groups_that_do_not_hold_every_label_are_not_read(
    folder: Path, tmp_path: Path, groups: list[list[int]]
) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((tmp_path / MANIFEST_FILE).read_text())
    manifest["decision"]["groups"] = groups
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"groups belong|thresholds belong"):
        read_artifact(tmp_path)


def test_one_file_answers_alike(fitted: Classifier, folder: Path, tmp_path: Path) -> None:
    export_onnx(folder, tmp_path / "model.onnx")
    artifact = read_artifact(folder)
    assert artifact.portable is not None
    session = ort.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["groups"]) == [[0, 1], [2, 3, 4]]
    texts, _ = _grouped(times=1, start=30)
    ids, mask = (tokenizer := Tokenizer(artifact.tokenizer, artifact.portable.config)).pad(tokenizer.encode(texts))
    (confidences,) = session.run(["confidences"], {"input_ids": ids, "attention_mask": mask})
    np.testing.assert_allclose(confidences, fitted.predict_proba(texts), atol=0.05)
    np.testing.assert_allclose(confidences[:, :2].sum(axis=1), 1.0, atol=1e-5)


def test_it_is_updated_with_a_new_choice(folder: Path) -> None:
    clf = Classifier.load(folder)
    texts = ["it will rain in the north", "rain and wind again", "the rain is getting stronger"]
    clf.update(texts, [["topic: rain", "tone: calm"]] * 3)
    assert clf.decision_.groups == ((0, 1), (2, 3, 4, 5))
    assert all(len(answer) == 2 for answer in _answers(clf, texts))
    with pytest.raises(InputError, match="Row 2 has no label of the group 'tone'"):
        clf.update(texts[:2], [["topic: rain", "tone: calm"], ["topic: rain"]])


def test_there_are_no_thresholds(fitted: Classifier) -> None:
    with pytest.raises(InputError, match="a model of groups"):
        fitted.predict(["a"], thresholds=0.5)


def test_what_cannot_be_read_as_groups_is_refused(toy_base: Path, model_folder: Path) -> None:
    clf = Classifier(base=toy_base, settings=QUICK, group_separator=": ")
    texts, lists = _grouped(times=1)
    with pytest.raises(InputError, match="one label, such as 'topic: card'; expected a list"):
        clf.fit(texts, [labels[0] for labels in lists])
    with pytest.raises(InputError, match="Row 2 has no label of the group 'tone'; expected one"):
        clf.fit(texts, [lists[0], lists[1][:1], *lists[2:]])
    with pytest.raises(InputError, match=r"Row 1 has 'tone: calm', 'tone: upset' of the group 'tone'"):
        clf.fit(texts, [[*lists[0], "tone: upset"], *lists[1:]])
    with pytest.raises(InputError, match="'urgent' is not written as group and choice"):
        clf.fit(texts, [[*lists[0], "urgent"], *lists[1:]])
    with pytest.raises(InputError, match="in no groups"):
        Classifier.load(model_folder).evaluate_groups(["a"], ["film"])


def test_an_update_takes_no_new_group_and_keeps_a_temperature_a_group(folder: Path) -> None:
    clf = Classifier.load(folder)
    texts, lists = _grouped(times=1, start=50)
    urgent = [[*labels, f"urgency: {('high', 'low')[row % 2]}"] for row, labels in enumerate(lists)]
    with pytest.raises(InputError, match=r"have no label of the group with 'urgency: high', 'urgency: low'\. A group"):
        clf.update(texts, urgent)
    before = clf.decision_.calibration.scale
    clf.update(texts[:1], [[lists[0][0], "tone: odd"]])
    after = dict(zip(clf.decision_.labels, clf.decision_.calibration.scale, strict=True))
    assert after["tone: odd"] == after["tone: calm"] == pytest.approx(before[0])
    assert after["topic: card"] == pytest.approx(before[2])
