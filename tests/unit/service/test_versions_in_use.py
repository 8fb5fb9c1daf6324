"""What is done with trained versions: other thresholds, comparing, downloads, trying. Two models serve all tests."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewfit import Classifier
from fewfit.errors import ArtifactError, InputError
from fewfit.service.errors import ForbiddenError, NotFoundError, NotReadyError
from fewfit.service.in_use import trying
from fewfit.service.models import downloading
from fewfit.service.models.answers import ANSWERS_FILE, Answers
from fewfit.service.models.model_rows import answers_owner
from fewfit.service.records import Model
from fewfit.service.records_in_use import ChangedAnswer
from fewfit.service.store.parts import shortened
from fewfit.service.store.references import files_of
from fewfit.service.store.tables import FileReferenceRow, ModelRow
from tests.unit.service.shop import MULTI, Shop, a_caller, jsonl, multi_rows, settings_for, single_rows


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, small_base: Path) -> Iterator[Shop]:
    shop = Shop(settings_for(tmp_path_factory.mktemp("shop"), small_base))
    yield shop
    shop.close()


@pytest.fixture(scope="module")
def single(shop: Shop) -> Model:
    return shop.model()


@pytest.fixture(scope="module")
def multi(shop: Shop) -> Model:
    return shop.model(jsonl(multi_rows(60)), kind=MULTI)


def _answers(shop: Shop, model: Model, number: int) -> Answers:
    with shop.service.database.reading() as session:
        row = session.get(ModelRow, model.id)
        assert row is not None
        file = files_of(session, answers_owner(row, number))[ANSWERS_FILE]
    with shop.service.files.open(file.sha256) as stream:
        return Answers.read(stream)


def test_a_version_keeps_its_answers_to_the_texts_it_was_measured_on(shop: Shop, single: Model) -> None:
    answers = _answers(shop, single, 1)
    report: Any = shop.service.models.report(shop.admin, single.id, 1)
    assert len(answers) == report["n_texts"]
    given = answers.given(None)
    assert float((given & answers.truth).any(axis=1).mean()) == pytest.approx(report["metrics"]["accuracy"])
    assert Answers.read(io.BytesIO(answers.write())).texts == answers.texts


def test_thresholds_are_saved_as_a_version_without_training(shop: Shop, multi: Model) -> None:
    old: Any = shop.service.models.report(shop.admin, multi.id, 1)
    version = shop.service.thresholds.save(shop.admin, multi.id, {"billing": 0.99, "account": 0.0}, note="more careful")
    assert (version.status, version.made_from, version.note) == ("ready", 1, "more careful")
    assert not version.promoted
    new: Any = shop.service.models.report(shop.admin, multi.id, version.number)
    assert dict(zip(new["labels"], new["thresholds"], strict=True))["billing"] == 0.99
    # Measured again on the same texts: what is always given is always found.
    by_label = {label["label"]: label for label in new["per_label"]}
    assert by_label["account"]["recall"] == 1.0
    assert new["n_texts"] == old["n_texts"]
    assert new["frozen"] == old["frozen"]
    assert version.metrics["f1"] == pytest.approx(new["metrics"]["macro_f1"])
    assert new["gain"]["macro_f1"] == pytest.approx(new["metrics"]["macro_f1"] - old["frozen"]["macro_f1"])


def test_the_new_thresholds_answer_once_promoted(shop: Shop, multi: Model) -> None:
    version = shop.service.thresholds.save(shop.admin, multi.id, dict.fromkeys(multi.labels, 0.0), version=1)
    before = shop.service.classify(shop.admin, ["invoice"], model=multi.id)
    shop.service.models.promote(shop.admin, multi.id, version.number)
    after = shop.service.classify(shop.admin, ["invoice"], model=multi.id)
    assert after.texts[0].labels == before.texts[0].labels
    assert set(after.texts[0].predictions) == set(multi.labels)
    model = shop.service.models.rollback(shop.admin, multi.id)
    assert model.promoted_version == 1
    assert model.previous_version == version.number


def test_thresholds_that_make_no_sense_are_refused(shop: Shop, single: Model, multi: Model) -> None:
    save = shop.service.thresholds.save
    with pytest.raises(InputError, match="single-label"):
        save(shop.admin, single.id, {"billing": 0.5})
    with pytest.raises(InputError, match="no label"):
        save(shop.admin, multi.id, {"nothing": 0.5})
    with pytest.raises(InputError, match="from 0 to 1"):
        save(shop.admin, multi.id, {"billing": 1.5})
    with pytest.raises(InputError, match="already"):
        save(shop.admin, multi.id, {})
    with pytest.raises(ForbiddenError):
        save(a_caller("read", "classify"), multi.id, {"billing": 0.5})
    with pytest.raises(NotFoundError):
        save(a_caller(organization_id="other"), multi.id, {"billing": 0.5})


def test_a_version_takes_a_note(shop: Shop, single: Model) -> None:
    assert shop.service.thresholds.annotate(shop.admin, single.id, 1, " good enough\0 ").note == "good enough\ufffd"
    assert shop.service.models.versions(shop.admin, single.id)[-1].note == "good enough\ufffd"
    with pytest.raises(InputError):
        shop.service.thresholds.annotate(shop.admin, single.id, 1, "x" * 2001)
    with pytest.raises(NotFoundError):
        shop.service.thresholds.annotate(a_caller(organization_id="other"), single.id, 1, "mine")


def test_versions_are_compared_on_texts_that_neither_has_seen(shop: Shop, multi: Model) -> None:
    version = shop.service.thresholds.save(shop.admin, multi.id, dict.fromkeys(multi.labels, 1.0), version=1)
    old_report: Any = shop.service.models.report(shop.admin, multi.id, 1)
    found = shop.service.comparing.compare(shop.admin, multi.id, 1, version.number)
    assert (found.before.number, found.after.number) == (1, version.number)
    assert found.n_common == len(_answers(shop, multi, 1))
    answers = _answers(shop, multi, 1)
    old = answers.given(old_report["thresholds"])
    new = answers.given([1.0] * len(multi.labels))
    assert found.before_common["right"] == pytest.approx((old == answers.truth).all(axis=1).mean())
    assert found.after_common["right"] == pytest.approx((new == answers.truth).all(axis=1).mean())
    assert len(found.changed) == (old != new).any(axis=1).sum() > 0
    assert all(set(one.after) < set(one.before) for one in found.changed)
    with pytest.raises(NotFoundError):
        shop.service.comparing.compare(shop.admin, multi.id, 1, 99)
    with pytest.raises(NotFoundError):
        shop.service.comparing.compare(a_caller(organization_id="other"), multi.id, 1, 1)


def test_a_retrained_version_is_measured_on_the_same_texts_and_learns_none_of_them(shop: Shop) -> None:
    rows = single_rows()
    model = shop.model(jsonl(rows))
    first = _answers(shop, model, 1)
    changed = shop.dataset(jsonl([*rows, *({"text": f"new refund {n}", "label": "billing"} for n in range(9))]))
    shop.service.models.retrain(shop.admin, model.id, dataset_id=changed.id)
    shop.work()
    second = _answers(shop, model, 2)
    assert set(second.texts) == set(first.texts)
    found = shop.service.comparing.compare(shop.admin, model.id, 1, 2)
    assert found.n_common == len(first)


@pytest.mark.parametrize(
    ("labels", "before", "after", "verdict"),
    [("a", "b", "a", "better"), ("a", "a", "b", "worse"), ("a", "b", "c", "different")],
)
def test_a_changed_answer_says_which_one_is_right(labels: str, before: str, after: str, verdict: str) -> None:
    assert ChangedAnswer("text", (labels,), (before,), (after,)).verdict == verdict


def test_the_artifact_is_sent_as_a_zip_that_can_be_loaded(shop: Shop, single: Model, tmp_path: Path) -> None:
    opened = shop.service.downloads.artifact(shop.admin, single.id)
    assert opened.filename == "router-v1.zip"
    chunks = list(opened.chunks)
    assert max(map(len, chunks)) <= 256 * 1024
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    classifier = Classifier.load(tmp_path / "router-v1")
    answer = shop.service.classify(shop.admin, ["invoice card"], model=single.id)
    assert classifier.predict(["invoice card"]) == list(answer.texts[0].predictions)
    # What it was trained on and measured on is not part of it.
    assert not {"train", ANSWERS_FILE} & {path.name for path in (tmp_path / "router-v1").rglob("*")}


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../b", "..\\evil", ""])
def test_a_file_outside_of_the_folder_is_not_given_out(name: str) -> None:
    with pytest.raises(ArtifactError):
        downloading._inside(Path("model"), name)


def test_downloads_are_for_the_organisation_and_for_what_is_ready(shop: Shop, single: Model) -> None:
    with pytest.raises(NotFoundError):
        shop.service.downloads.artifact(a_caller(organization_id="other"), single.id)
    with pytest.raises(ForbiddenError):
        shop.service.downloads.artifact(a_caller("classify"), single.id)
    waiting = shop.model(work=False)
    with pytest.raises(NotReadyError):
        shop.service.downloads.artifact(shop.admin, waiting.id)
    shop.service.models.delete(shop.admin, waiting.id)


def test_trying_shows_the_base_beside_and_counts_nowhere(shop: Shop, single: Model) -> None:
    shop.service.review.allow(shop.admin, single.id, True)
    shop.service.write_down()
    before = shop.service.usage.hours(shop.admin, model_id=single.id)
    trial = shop.service.trying.answer(shop.admin, single.id, ["invoice card", "parcel <b>door</b>"])
    answer = shop.service.classify(a_caller("classify"), ["something else"], model=single.id)
    shop.service.write_down()
    assert (trial.version, trial.kind) == (1, "single")
    for text in trial.texts:
        assert sum(text.confidences.values()) == pytest.approx(1)
        assert sum(text.base_confidences.values()) == pytest.approx(1)
        assert text.labels == (max(text.confidences, key=lambda label: text.confidences[label]),)
        assert text.base_labels == (max(text.base_confidences, key=lambda label: text.base_confidences[label]),)
    after = shop.service.usage.hours(shop.admin, model_id=single.id)
    assert sum(hour.texts for hour in after) == sum(hour.texts for hour in before) + len(answer.texts)
    assert [one.text for one in shop.service.review.queue(shop.admin, single.id)] == ["something else"]
    shop.service.review.allow(shop.admin, single.id, False)


def test_the_base_beside_is_the_decision_that_the_report_compares_with(shop: Shop, single: Model) -> None:
    answers = _answers(shop, single, 1)
    trial = shop.service.trying.answer(shop.admin, single.id, list(answers.texts))
    right = [text.base_labels == answers.names(truth) for text, truth in zip(trial.texts, answers.truth, strict=True)]
    report: Any = shop.service.models.report(shop.admin, single.id)
    assert np.mean(right) == pytest.approx(report["frozen"]["accuracy"])


def test_the_nearest_training_examples_are_the_reason(shop: Shop, single: Model) -> None:
    held_out = set(_answers(shop, single, 1).texts)
    known = next(row for row in single_rows() if row["text"] not in held_out)
    (found,) = shop.service.trying.neighbours(shop.admin, single.id, [known["text"]], count=3)
    assert len(found) == 3
    assert found[0].text == known["text"]
    assert found[0].labels == (known["label"],)
    assert found[0].similarity == pytest.approx(1, abs=1e-3)
    assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)
    assert not held_out & {one.text for one in found}


def test_neighbours_are_bounded_and_forgotten(
    shop: Shop, single: Model, multi: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.service.trying._examples.clear()
    monkeypatch.setattr(trying, "_MODELS_IN_MEMORY", 1)
    monkeypatch.setattr(trying, "MOST_EXAMPLES", 6)
    for model in (single, multi):
        shop.service.trying.neighbours(shop.admin, model.id, ["invoice"])
    ((key, known),) = shop.service.trying._examples.items()
    assert key == (multi.id, 1)
    assert len(known.examples) == 6
    shop.service.trying.forget(multi.id)
    assert not shop.service.trying._examples


@pytest.mark.parametrize("texts", [[], ["  "], ["\ud800"], ["x"] * 97])
def test_texts_that_cannot_be_tried_are_refused(shop: Shop, single: Model, texts: list[str]) -> None:
    with pytest.raises(InputError):
        shop.service.trying.answer(shop.admin, single.id, texts)


def test_trying_needs_scopes_and_ones_own_model(shop: Shop, single: Model) -> None:
    with pytest.raises(ForbiddenError):
        shop.service.trying.answer(a_caller("read"), single.id, ["text"])
    with pytest.raises(ForbiddenError):
        # Training examples are data, which a key that may only classify does not see.
        shop.service.trying.neighbours(a_caller("classify"), single.id, ["text"])
    with pytest.raises(NotFoundError):
        shop.service.trying.answer(a_caller(organization_id="other"), single.id, ["text"])
    with pytest.raises(NotFoundError):
        shop.service.trying.answer(shop.admin, single.id, ["text"], version=99)


def test_a_long_text_is_corrected_as_a_whole_though_reports_shorten_it(shop: Shop) -> None:
    rows = single_rows()
    long = "invoice " * 300 + "at the end"
    model = shop.model(jsonl([*rows, {"text": long, "label": "billing"}]))
    made = shop.service.corrections.add(shop.admin, model.id, shortened(long), ["account"], source="suspect")
    assert made.text == long
    unknown = "x" * 499 + "…"
    assert shop.service.corrections.add(shop.admin, model.id, unknown, ["account"]).text == unknown


def test_deleting_a_model_lets_go_of_everything_that_its_versions_kept(shop: Shop) -> None:
    model = shop.model(jsonl(multi_rows(60)), kind=MULTI)
    shop.service.thresholds.save(shop.admin, model.id, {"billing": 0.9})
    shop.service.models.delete(shop.admin, model.id)
    with shop.service.database.reading() as session:
        owners = session.query(FileReferenceRow).filter(FileReferenceRow.owner_id.startswith(model.id)).count()
    assert owners == 0
