import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from fewfit.errors import InputError
from fewfit.service.errors import ForbiddenError, NotFoundError, NotReadyError
from fewfit.service.models.distilling import LEAST_TEXTS
from fewfit.service.records import Model
from fewfit.training import distilling
from tests.unit.service.shop import Shop, a_caller, settings_for, unlabelled

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, small_base: Path) -> Iterator[Shop]:
    found = Shop(settings_for(tmp_path_factory.mktemp("distilling"), small_base))
    yield found
    found.close()


@pytest.fixture(scope="module")
def model(shop: Shop) -> Model:
    return shop.model()


def test_the_service_asks_for_as_many_texts_as_are_needed() -> None:
    assert LEAST_TEXTS == distilling.LEAST_TEXTS


def test_a_copy_of_a_version_gets_a_fast_tier_and_answers_with_it(shop: Shop, model: Model) -> None:
    version = shop.service.distillations.create(shop.admin, model.id, unlabelled(), max_disagreement=0.9, promote=True)
    assert (version.number, version.status, version.made_from) == (2, "queued", 1)
    shop.work()
    newest, first = shop.service.models.versions(shop.admin, model.id)
    assert (newest.status, newest.promoted, first.promoted) == ("ready", True, False), newest.error
    assert (newest.labels, newest.metrics) == (first.labels, first.metrics)
    assert shop.service.models.report(shop.admin, model.id) == shop.service.models.report(shop.admin, model.id, 1)
    texts = unlabelled(60)
    full = asyncio.run(shop.service.classify_async(shop.admin, texts, model=model.id))
    fast = asyncio.run(shop.service.classify_async(shop.admin, texts, model=model.id, speed="fast"))
    assert fast.warnings == ()
    assert fast.texts != full.texts  # some answers are the tier's own
    assert all(sum(text.labels.values()) == pytest.approx(1) for text in fast.texts)
    assert [event.status for event in shop.service.models.events(shop.admin, model.id)][:3] == [
        "ready",
        "finetuning",
        "queued",
    ]


def test_a_promise_that_cannot_be_kept_fails_the_copy_and_nothing_else(shop: Shop, model: Model) -> None:
    before = shop.service.models.get(shop.admin, model.id)
    version = shop.service.distillations.create(
        shop.admin, model.id, unlabelled(), max_disagreement=1e-6, version=1, promote=True
    )
    shop.work()
    found = shop.service.models.versions(shop.admin, model.id)[0]
    assert (found.number, found.status) == (version.number, "failed")
    assert found.error
    assert shop.service.models.get(shop.admin, model.id).promoted_version == before.promoted_version
    with pytest.raises(NotReadyError, match="failed"):
        shop.service.distillations.create(shop.admin, model.id, unlabelled(), version=version.number)


@pytest.mark.parametrize(
    ("texts", "share", "message"),
    [
        (["same"] * 400, 0.01, "1 of them different; expected 300"),
        (unlabelled(299), 0.01, "299 texts"),
        ([*unlabelled(), " "], 0.01, r"texts\[330\] is empty"),
        ([*unlabelled(), "\ud800"], 0.01, "Unicode"),
        (unlabelled(), 1.0, "between 0 and 1"),
        (unlabelled(), float("nan"), "between 0 and 1"),
    ],
)
def test_senseless_requests_are_refused_at_once(
    shop: Shop, model: Model, texts: list[str], share: float, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        shop.service.distillations.create(shop.admin, model.id, texts, max_disagreement=share)


def test_who_may_not_and_what_is_not_there(shop: Shop, model: Model) -> None:
    with pytest.raises(ForbiddenError):
        shop.service.distillations.create(a_caller("read"), model.id, unlabelled())
    with pytest.raises(NotFoundError):
        shop.service.distillations.create(a_caller(organization_id="other"), model.id, unlabelled())
    with pytest.raises(NotFoundError):
        shop.service.distillations.create(shop.admin, model.id, unlabelled(), version=77)
