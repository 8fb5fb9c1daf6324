import threading
from datetime import timedelta

import numpy as np
import pytest

from fewfit.decision import Calibration, Decision, Head
from fewfit.service.errors import ForbiddenError, NotFoundError
from fewfit.service.in_use import reviewing
from fewfit.service.in_use.reviewing import SAMPLE, doubts_of
from fewfit.service.store.tables import ReviewRow, utc_now
from tests.unit.service.conftest import OpenShop
from tests.unit.service.shop import Shop, a_caller


def _decision(kind: str = "single", thresholds: list[float] | None = None, n_labels: int = 2) -> Decision:
    head = Head(np.zeros((n_labels, 1), dtype=np.float32), np.zeros(n_labels, dtype=np.float32))
    labels = ("a", "b", "c")[:n_labels]
    limits = None if thresholds is None else np.array(thresholds)
    return Decision(kind, labels, head, Calibration.identity(n_labels), limits)  # type: ignore[arg-type]


def _offer(shop: Shop, model_id: str, texts: list[str], sure: float = 0.9) -> None:
    confidences = np.tile([sure, 1 - sure], (len(texts), 1))
    shop.service._sampler.offer("default", model_id, 1, texts, confidences, _decision())
    shop.service.write_down()


def test_nothing_is_kept_without_consent(shop: Shop) -> None:
    model = shop.model()
    shop.service.classify(shop.admin, ["invoice one"], model=model.id)
    shop.service.write_down()
    assert shop.service.review.queue(shop.admin, model.id) == ()
    assert shop.service.models.get(shop.admin, model.id).review_since is None


def test_with_consent_texts_wait_with_the_answer_that_was_given(shop: Shop) -> None:
    model = shop.model()
    allowed = shop.service.review.allow(shop.admin, model.id, True)
    assert allowed.review_since is not None
    answer = shop.service.classify(shop.admin, ["invoice one", "parcel two"], model=model.id)
    shop.service.classify(shop.admin, ["invoice one"], model=model.id)
    shop.service.write_down()
    queue = shop.service.review.queue(shop.admin, model.id)
    assert {one.text for one in queue} == {"invoice one", "parcel two"}
    assert {one.given for one in queue} == {text.predictions for text in answer.texts}
    assert queue[0].doubt >= queue[1].doubt
    assert shop.service.review.counts(shop.admin) == {model.id: 2}


def test_taking_consent_back_deletes_what_was_kept(shop: Shop) -> None:
    model = shop.pretended_model()
    shop.service.review.allow(shop.admin, model.id, True)
    _offer(shop, model.id, ["one"])
    shop.service.review.allow(shop.admin, model.id, False)
    _offer(shop, model.id, ["two"])
    assert shop.service.review.counts(shop.admin) == {}


def test_the_queue_holds_an_even_sample_and_the_most_doubtful_and_no_more(shop: Shop) -> None:
    model = shop.pretended_model()
    shop.service.review.allow(shop.admin, model.id, True)
    for part in range(6):
        _offer(shop, model.id, [f"sure {part} {number}" for number in range(200)], sure=0.99)
    _offer(shop, model.id, [f"doubtful {number}" for number in range(SAMPLE)], sure=0.5)
    queue = shop.service.review.queue(shop.admin, model.id, limit=1000)
    doubtful = [one for one in queue if one.text.startswith("doubtful")]
    assert len(doubtful) == SAMPLE
    assert SAMPLE < len(queue) <= 2 * SAMPLE
    # Evenly drawn: no part of the stream is left out, as it would be if the first or the last ones stayed.
    assert {one.text.split()[1] for one in queue if one.text.startswith("sure")} == set("012345")


def test_several_servers_fill_one_queue(open_shop: OpenShop) -> None:
    shops = [open_shop(), open_shop()]
    model = shops[0].pretended_model()
    shops[0].service.review.allow(shops[0].admin, model.id, True)
    confidences = np.tile([0.6, 0.4], (50, 1))
    for number, shop in enumerate(shops):
        texts = [f"{number} {row}" for row in range(49)] + ["the same"]
        shop.service._sampler.offer("default", model.id, 1, texts, confidences, _decision())
    threads = [threading.Thread(target=shop.service.write_down) for shop in shops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shops[0].service.review.counts(shops[0].admin) == {model.id: 99}


def test_a_text_that_was_skipped_or_labelled_is_forgotten_and_does_not_come_back(shop: Shop) -> None:
    model = shop.pretended_model()
    review = shop.service.review
    review.allow(shop.admin, model.id, True)
    _offer(shop, model.id, ["one", "two"])
    first, second = review.queue(shop.admin, model.id)
    assert review.get(shop.admin, model.id, first.id) == first
    review.skip(shop.admin, model.id, first.id)
    review.done(shop.admin, model.id, second.id)
    _offer(shop, model.id, ["one", "two"])
    assert review.queue(shop.admin, model.id) == ()
    with shop.service.database.reading() as session:
        assert {row.text for row in session.query(ReviewRow)} == {""}
    with pytest.raises(NotFoundError):
        review.skip(shop.admin, model.id, first.id)


def test_texts_go_after_thirty_days_and_with_their_model(shop: Shop) -> None:
    model = shop.pretended_model()
    shop.service.review.allow(shop.admin, model.id, True)
    _offer(shop, model.id, ["one"])
    with shop.service.database.writing() as session:
        for row in session.query(ReviewRow):
            row.created_at = utc_now() - timedelta(days=31)
    assert shop.service.review.delete_expired(utc_now()) == 1
    _offer(shop, model.id, ["two"])
    shop.service.models.delete(shop.admin, model.id)
    _offer(shop, model.id, ["three"])
    with shop.service.database.reading() as session:
        assert session.query(ReviewRow).count() == 0


@pytest.mark.parametrize("number", [-1, 0, 10**20, -(10**20)])
def test_a_number_that_no_text_has_is_not_there(shop: Shop, number: int) -> None:
    model = shop.pretended_model()
    shop.service.review.allow(shop.admin, model.id, True)
    with pytest.raises(NotFoundError, match=f"no text {number} in the review queue"):
        shop.service.review.skip(shop.admin, model.id, number)


def test_another_organisation_sees_and_does_nothing(shop: Shop) -> None:
    model = shop.pretended_model()
    shop.service.review.allow(shop.admin, model.id, True)
    _offer(shop, model.id, ["one"])
    (text,) = shop.service.review.queue(shop.admin, model.id)
    other = a_caller(organization_id="other")
    assert shop.service.review.counts(other) == {}
    for call in (
        lambda: shop.service.review.queue(other, model.id),
        lambda: shop.service.review.allow(other, model.id, False),
        lambda: shop.service.review.skip(other, model.id, text.id),
    ):
        with pytest.raises(NotFoundError):
            call()
    # Production texts are for those who may train, not for every key that may read.
    with pytest.raises(ForbiddenError):
        shop.service.review.queue(a_caller("read"), model.id)


def test_very_long_and_empty_texts_are_not_kept_and_nul_is(shop: Shop) -> None:
    model = shop.pretended_model()
    shop.service.review.allow(shop.admin, model.id, True)
    _offer(shop, model.id, ["x" * (reviewing.LONGEST_CHARACTERS + 1), "  ", "a\0b"])
    assert [one.text for one in shop.service.review.queue(shop.admin, model.id)] == ["a\ufffdb"]


def test_doubt_is_nearness_of_the_second_label_or_to_a_threshold() -> None:
    single = doubts_of(np.array([[0.5, 0.5], [1.0, 0.0], [0.6, 0.4]]), _decision())
    assert single == pytest.approx([1.0, 0.0, 0.8])
    multi = _decision("multi", [0.5, 0.2])
    assert doubts_of(np.array([[0.5, 1.0], [1.0, 0.0], [0.0, 0.1]]), multi) == pytest.approx([1.0, 0.0, 0.5])
