import time

import pytest

from fewfit.errors import InputError
from fewfit.service.errors import ForbiddenError, LimitError, NotFoundError
from fewfit.service.in_use import correcting
from fewfit.service.records import Model
from fewfit.service.store.tables import CorrectionRow
from tests.unit.service.shop import MULTI, Shop, a_caller, multi_rows, single_rows


@pytest.fixture
def model(shop: Shop) -> Model:
    return shop.pretended_model()


def test_a_correction_waits_and_can_be_taken_back(shop: Shop, model: Model) -> None:
    corrections = shop.service.corrections
    made = corrections.add(shop.admin, model.id, "my parcel", ["delivery"], given=["billing"])
    assert (made.state, made.source, made.labels, made.given) == ("waiting", "try", ("delivery",), ("billing",))
    assert corrections.list(shop.admin, model.id) == (made,)
    assert corrections.n_waiting(shop.admin, model.id) == 1
    corrections.remove(shop.admin, model.id, made.id)
    assert corrections.list(shop.admin, model.id) == ()
    with pytest.raises(NotFoundError):
        corrections.remove(shop.admin, model.id, made.id)


def test_a_newer_correction_of_a_text_takes_the_place_of_the_older(shop: Shop, model: Model) -> None:
    corrections = shop.service.corrections
    corrections.add(shop.admin, model.id, "my parcel", ["delivery"])
    corrections.add(shop.admin, model.id, "my parcel", ["account"])
    assert [one.labels for one in corrections.list(shop.admin, model.id)] == [("account",)]


def test_a_suspect_that_is_confirmed_changes_no_data(shop: Shop, model: Model) -> None:
    corrections = shop.service.corrections
    delivery = ["delivery"]
    confirmed = corrections.add(shop.admin, model.id, "my parcel", delivery, given=delivery, source="suspect")
    assert confirmed.state == "confirmed"
    assert corrections.n_waiting(shop.admin, model.id) == 0
    assert len(corrections.list(shop.admin, model.id, state="confirmed")) == 1


@pytest.mark.parametrize("labels", [[], ["unknown"], ["billing", "delivery"], ["<script>"]])
def test_labels_must_fit_the_model(shop: Shop, model: Model, labels: list[str]) -> None:
    with pytest.raises(InputError):
        shop.service.corrections.add(shop.admin, model.id, "text", labels)


@pytest.mark.parametrize("text", ["", "  ", "\ud800", "x" * 100_001])
def test_texts_that_cannot_be_kept_are_refused(shop: Shop, model: Model, text: str) -> None:
    with pytest.raises(InputError):
        shop.service.corrections.add(shop.admin, model.id, text, ["billing"])


def test_a_multilabel_model_takes_any_number_of_labels(shop: Shop) -> None:
    model = shop.pretended_model(multi_rows(60), kind=MULTI)
    add = shop.service.corrections.add
    assert add(shop.admin, model.id, "one", []).labels == ()
    assert add(shop.admin, model.id, "two", ["delivery", "billing", "delivery"]).labels == ("billing", "delivery")


def test_there_is_a_limit(shop: Shop, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correcting, "MOST_WAITING", 1)
    shop.service.corrections.add(shop.admin, model.id, "one", ["billing"])
    shop.service.corrections.add(shop.admin, model.id, "one", ["account"])
    with pytest.raises(LimitError):
        shop.service.corrections.add(shop.admin, model.id, "two", ["billing"])


def test_another_organisation_and_a_reader_change_nothing(shop: Shop, model: Model) -> None:
    made = shop.service.corrections.add(shop.admin, model.id, "one", ["billing"])
    other = a_caller(organization_id="other")
    for call in (
        lambda: shop.service.corrections.add(other, model.id, "two", ["billing"]),
        lambda: shop.service.corrections.list(other, model.id),
        lambda: shop.service.corrections.remove(other, model.id, made.id),
    ):
        with pytest.raises(NotFoundError):
            call()
    with pytest.raises(ForbiddenError):
        shop.service.corrections.add(a_caller("read", "classify"), model.id, "two", ["billing"])


def test_corrections_go_with_their_model(shop: Shop, model: Model) -> None:
    shop.service.corrections.add(shop.admin, model.id, "one", ["billing"])
    shop.service.models.delete(shop.admin, model.id)
    with shop.service.database.reading() as session:
        assert session.query(CorrectionRow).count() == 0


def test_corrections_join_the_dataset_and_are_trained_on(shop: Shop) -> None:
    model = shop.pretended_model()
    corrections = shop.service.corrections
    known = single_rows()[0]
    corrections.add(shop.admin, model.id, str(known["text"]).upper(), ["delivery"], source="mistake")
    corrections.add(shop.admin, model.id, "an entirely new text", ["account"])
    version = corrections.retrain(shop.admin, model.id)
    assert (version.number, version.status, version.note) == (2, "queued", "With 2 corrections")
    assert {one.state for one in corrections.list(shop.admin, model.id)} == {"applied"}
    assert {one.dataset_id for one in corrections.list(shop.admin, model.id)} == {model.dataset_id}
    # The dataset is checked first, and only then trained on.
    assert shop.worker.work(("train",))
    assert shop.service.models.versions(shop.admin, model.id)[0].status == "queued"
    shop.work()
    rows = shop.service.editing.rows(shop.admin, model.dataset_id, limit=1000).rows
    by_text = {row.text: row.labels for row in rows}
    assert by_text[known["text"]] == ("delivery",)
    assert by_text["an entirely new text"] == ("account",)
    assert len(rows) == len(single_rows()) + 1
    deadline = time.monotonic() + 300
    while shop.service.models.versions(shop.admin, model.id)[0].status == "queued":
        assert time.monotonic() < deadline
        shop.work()
    assert shop.service.models.versions(shop.admin, model.id)[0].status == "ready"


def test_corrections_that_the_data_have_already_are_done(shop: Shop, model: Model) -> None:
    known = single_rows()[0]
    shop.service.corrections.add(shop.admin, model.id, known["text"], [known["label"]])
    assert shop.service.corrections.join(shop.admin, model.id) == (model.dataset_id, 1)
    assert shop.service.corrections.n_waiting(shop.admin, model.id) == 0
    with pytest.raises(InputError, match="No corrections"):
        shop.service.corrections.join(shop.admin, model.id)


def test_without_the_dataset_corrections_wait_on(shop: Shop, model: Model) -> None:
    shop.service.corrections.add(shop.admin, model.id, "one", ["billing"])
    shop.service.datasets.delete(shop.admin, model.dataset_id)
    with pytest.raises(NotFoundError):
        shop.service.corrections.retrain(shop.admin, model.id)
    assert shop.service.corrections.n_waiting(shop.admin, model.id) == 1
