"""Home, the lists, and sample sets to click through."""

import pytest

from fewfit.samples import SAMPLES
from tests.unit.dashboard.conftest import SignedIn, Visit
from tests.unit.service.shop import Shop, jsonl, single_rows


def test_a_first_visit_offers_every_sample_set(visit: Visit) -> None:
    page = visit.get("/")
    for name in SAMPLES:
        assert f'action="/samples/{name}"' in page


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_set_is_a_dataset_in_one_click(shop: Shop, visit: Visit, name: str) -> None:
    where = visit.post(f"/samples/{name}")
    shop.work()
    view = visit.json(where)
    assert view["dataset"]["status"] == "validated", view["dataset"]["error"]
    assert view["version"]["overview"]["evaluation"]["n_rows"] >= 24
    # The toy base reads 64 tokens; a real one reads all.
    wrong = [one["code"] for one in view["findings"] if one["severity"] != "advice"]
    assert set(wrong) <= {"truncated_text"}
    visit.get(where)


def test_an_unknown_sample_set_is_an_error_page(visit: Visit) -> None:
    assert "There is no sample set" in visit.post("/samples/secrets", status=400)


def test_home_shows_models_with_their_main_number(shop: Shop, visit: Visit) -> None:
    model = shop.model()
    page = visit.get("/")
    assert f'href="/models/{model.id}"' in page
    assert f"{100 * model.metrics['accuracy']:.1f}\u00a0%" in page
    assert "tickets" in page
    (twin,) = visit.json("/")["models"]
    assert twin["metrics"]["accuracy"] == model.metrics["accuracy"]


def test_lists_are_searched_and_sorted(shop: Shop, visit: Visit) -> None:
    for name in ("beta", "Alpha", "gamma alpha"):
        shop.dataset(jsonl(single_rows()), name=name, work=False)
    names = [one["name"] for one in visit.json("/datasets?q=ALPHA&sort=name")["listing"]["items"]]
    assert names == ["Alpha", "gamma alpha"]
    names = [one["name"] for one in visit.json("/datasets?sort=-name")["listing"]["items"]]
    assert names == ["gamma alpha", "beta", "Alpha"]
    assert 'aria-sort="descending"' in visit.get("/datasets?sort=-name")
    visit.get("/datasets?sort=password", status=400)
    visit.get("/models?q=nothing&sort=accuracy")
    assert visit.json("/datasets?page=99")["listing"]["page"] == 1


def test_what_belongs_to_another_organisation_is_not_there(shop: Shop, signed_in: SignedIn) -> None:
    model = shop.model()
    stranger = signed_in(organization_id="other")
    assert stranger.json("/")["models"] == []
    assert stranger.json("/datasets")["listing"]["total"] == 0
    dataset = f"/datasets/{model.dataset_id}"
    for path in (
        dataset,
        f"{dataset}/rows",
        f"{dataset}/download",
        f"/models/new/{model.dataset_id}",
        f"/models/new/{model.dataset_id}/settings",
        f"/models/{model.id}/training",
    ):
        assert stranger.client.get(path).status_code == 404, path
    for path, fields in (
        (f"{dataset}/edit", {"op": "drop_rows", "row": "1"}),
        (f"{dataset}/restore", {"version": "1"}),
        (f"{dataset}/delete", {"name": "tickets"}),
        (f"/models/new/{model.dataset_id}/settings", {"name": "x"}),
        (f"/models/{model.id}/cancel", {}),
    ):
        stranger.post(path, status=404, **fields)
    assert shop.service.datasets.get(shop.admin, model.dataset_id).name == "tickets"
