"""The pages of a model, of the review queue, of usage and of keys. Two trained models serve all tests."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy.orm import make_transient

from fewfit.service.models.answers import Answers
from fewfit.service.records import Model, Scope
from fewfit.service.store.tables import VersionRow
from tests.unit.dashboard.conftest import JSON, SignedIn, Visit, browse
from tests.unit.service.shop import MULTI, Shop, jsonl, multi_rows, settings_for

HOSTILE = "<script>alert(1)</script> \u202eright to left\u202c 🙂"


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


def _enter(shop: Shop, *scopes: Scope, organization_id: str = "default") -> Visit:
    new = shop.service.keys.create_for(organization_id, name="a key", scopes=scopes or ("admin",))
    visit = Visit(browse(shop))
    visit.sign_in(new.secret)
    return visit


@pytest.fixture(scope="module")
def visit(shop: Shop) -> Visit:
    return _enter(shop)


def _fields(values: dict[str, str]) -> dict[str, Any]:
    """Fields whose names are not Python's."""
    return dict(values)


def _pages(model: Model) -> list[str]:
    page = f"/models/{model.id}"
    tabs = ["", "?version=1", "/versions", "/compare", "/try", "/call", "/review"]
    return [*(page + tab for tab in tabs), "/review", "/usage", "/usage?days=7", f"/usage?model={model.id}", "/keys"]


def test_every_page_is_well_formed_and_has_its_twin(shop: Shop, visit: Visit, single: Model, multi: Model) -> None:
    for model in (single, multi):
        for path in _pages(model):
            assert "<h1>" in visit.get(path), path
            assert isinstance(visit.json(path), dict), path


def test_pages_show_a_reader_what_it_may_see_and_offer_nothing_else(shop: Shop, single: Model) -> None:
    reader = _enter(shop, "read")
    for path in _pages(single):
        text = reader.get(path)
        forms = re.findall(r'<form method="post" action="([^"]*)"', text)
        assert set(forms) <= {f"/models/{single.id}/try"}, (path, forms)
    reader.post(f"/models/{single.id}/retrain", status=403)
    reader.post("/keys", name="mine", status=403)


def test_another_organisation_finds_nothing(shop: Shop, single: Model) -> None:
    other = _enter(shop, organization_id="other")
    for tab in ("", "/versions", "/compare", "/try", "/call", "/card", "/artifact", "/onnx", "/review"):
        assert other.client.get(f"/models/{single.id}{tab}").status_code == 404, tab
    for action in ("retrain", "promote", "rollback", "rename", "delete", "thresholds", "notes", "corrections", "try"):
        fields = {"version": "1", "name": "x", "text": "x", "label": "x", "texts": "x"}
        answer = other.post(f"/models/{single.id}/{action}", status=404, **fields)
        assert single.name not in answer
    assert single.id not in other.get("/review")


def test_a_form_without_its_token_changes_nothing(shop: Shop, visit: Visit, single: Model) -> None:
    for action in ("retrain", "promote", "rollback", "rename", "delete", "thresholds", "notes", "corrections"):
        answer = visit.client.post(f"/models/{single.id}/{action}", data={"name": "evil"}, follow_redirects=False)
        assert answer.status_code == 403, action
    assert shop.service.models.get(shop.admin, single.id).name == "router"


def test_the_model_page_shows_the_figures_of_the_report(shop: Shop, visit: Visit, single: Model) -> None:
    text = visit.get(f"/models/{single.id}")
    report: Any = shop.service.models.report(shop.admin, single.id)
    for name in ("accuracy", "macro_precision", "macro_recall", "macro_f1"):
        assert f"{100 * report['metrics'][name]:.1f}\u00a0%" in text
    assert f"{report['metrics']['loss']:.3f}" in text
    for one in report["per_label"]:
        assert f"<bdi>{one['label']}</bdi>" in text
    assert 'aria-label="Confusion matrix"' in text
    assert "Share of right answers over confidence" in text
    twin = visit.json(f"/models/{single.id}")
    assert twin["report"] == json.loads(json.dumps(report))
    assert twin["figures"][0]["key"] == "accuracy"


def test_an_old_report_that_lacks_everything_is_still_a_page(shop: Shop, visit: Visit) -> None:
    model = shop.pretended_model()
    assert "was not measured" in visit.get(f"/models/{model.id}")
    visit.get(f"/models/{model.id}/compare")
    visit.get(f"/models/{model.id}/call")


def test_everything_that_quality_reports_is_shown(shop: Shop, visit: Visit) -> None:
    model = shop.pretended_model()
    report = _full_report()
    with shop.service.database.writing() as session:
        version = session.get(VersionRow, (model.id, 1))
        assert version is not None
        version.report = report
    text = visit.get(f"/models/{model.id}")
    assert "80.0\u00a0% to 90.0\u00a0%" in text
    assert "+21.3" in text
    assert "Labels that look wrong" in text
    assert "Change to delivery" in text
    assert "macro F1 would be about 91\u00a0%" in text
    assert "add 12 examples" in text
    assert escape(HOSTILE) in text
    assert HOSTILE not in text


def _full_report() -> dict[str, Any]:
    names = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
    return {
        "n_texts": 40,
        "evaluated_on": "cross_validation",
        "metrics": dict.fromkeys(names, 0.85) | {"loss": 0.4, "brier": 0.1, "calibration_error": 0.05},
        "intervals": {name: [0.8, 0.9] for name in names} | {"loss": [0.3, 0.5]},
        "frozen": dict.fromkeys(names, 0.637) | {"loss": 0.9},
        "gain": dict.fromkeys(names, 0.213) | {"loss": -0.5},
        "labels": ["account", "billing", "delivery"],
        "per_label": [
            {"label": label, "precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 13}
            for label in ("account", "billing", "delivery")
        ],
        "confusion": [[10, 2, 1], [0, 13, 0], [1, 1, 11]],
        "reliability": [{"from": 0.8, "to": 0.9, "count": 5, "confidence": 0.85, "right": 0.8}],
        "mistakes": [{"text": HOSTILE, "labels": ["billing"], "predictions": ["account"], "confidence": 0.97}],
        "suspects": [
            {
                "row": 3,
                "text": HOSTILE + " x" * 300,
                "labels": ["billing"],
                "suggested": ["delivery"],
                "score": 0.1,
                "reason": HOSTILE,
            }
        ],
        "learning_curve": {
            "points": [{"n_texts": n, "macro_f1": 0.5 + n / 200, "low": 0.4, "high": 0.9} for n in (10, 20, 40)],
            "next": {"n_texts": 80, "macro_f1": 0.91, "low": 0.8, "high": 0.95},
            "labels": [{"label": "billing", "f1": 0.6, "support": 4, "advice": "add 12 examples"}],
        },
    }


def test_thresholds_are_moved_and_saved_as_a_version(shop: Shop, visit: Visit, multi: Model) -> None:
    page = f"/models/{multi.id}"
    text = visit.get(page)
    assert len(re.findall(r'type="range"', text)) == len(multi.labels)
    curve = json.loads(re.findall(r'data-curve="([^"]*)"', text)[0].replace("&#34;", '"'))
    assert len(curve) > 10
    place = visit.post(
        page + "/thresholds", page, **_fields({"version": "1", "threshold-1": "0.91", "note": "careful"})
    )
    number = int(place.rpartition("=")[2])
    saved: Any = shop.service.models.report(shop.admin, multi.id, number)
    assert saved["thresholds"][1] == 0.91
    shown = visit.get(place)
    assert "Note: <bdi>careful</bdi>" in shown
    assert f"Switch to version {number}" in shown
    assert "expected a number" in visit.post(
        page + "/thresholds", page, version="1", status=400, **{"threshold-0": "x"}
    )
    # Switch, see that it answers, roll back.
    visit.post(page + "/promote", page, version=str(number))
    assert shop.service.models.get(shop.admin, multi.id).promoted_version == number
    assert f"Roll back to version {1}" in visit.get(page + "/versions")
    visit.post(page + "/rollback", page)
    assert shop.service.models.get(shop.admin, multi.id).promoted_version == 1


def test_two_versions_are_compared(shop: Shop, visit: Visit, multi: Model) -> None:
    version = shop.service.thresholds.save(shop.admin, multi.id, dict.fromkeys(multi.labels, 1.0), version=1)
    text = visit.get(f"/models/{multi.id}/compare?before=1&after={version.number}")
    assert "that neither was trained on" in text
    twin = visit.json(f"/models/{multi.id}/compare?before=1&after={version.number}")
    assert len(twin["changed"]) == text.count('data-name="After"') > 0
    assert {one["verdict"] for one in twin["changed"]} <= {"better", "worse", "different"}
    visit.get(f"/models/{multi.id}/compare?before=1&after=999", status=404)


def test_texts_are_tried_with_the_base_and_the_reasons_beside(shop: Shop, visit: Visit, single: Model) -> None:
    page = f"/models/{single.id}/try"
    texts = f"invoice card\n\n  {HOSTILE}  "
    text = visit.post(page, page, status=200, texts=texts, reasons="yes")
    assert "2\u00a0answers of version 1" in text
    assert text.count("The untuned base says") == 2
    assert text.count("Nearest training examples") == 2
    assert text.count("That is wrong") == 2
    assert HOSTILE not in text
    assert "invoice card" in text.partition("<textarea")[2]
    quick = visit.post(page, page, status=200, texts="invoice card")
    assert "data-reasons" in quick
    assert "Nearest training examples" not in quick


@pytest.mark.parametrize(
    ("texts", "words"), [("", "There is no text yet"), ("x\n" * 97, "97 texts; at most 96"), ("\n \n", "no text yet")]
)
def test_what_cannot_be_tried_is_said_and_the_input_stays(visit: Visit, single: Model, texts: str, words: str) -> None:
    page = f"/models/{single.id}/try"
    text = visit.post(page, page, status=400, texts=texts)
    assert words in text
    assert texts.strip()[:50] in text


def test_a_file_of_texts_is_read_by_its_name(visit: Visit, single: Model) -> None:
    page = f"/models/{single.id}/try"
    content = 'id,text\n1,"invoice, card"\n2,parcel\n'
    answer = visit.client.post(
        page,
        data={"csrf": _token(visit), "texts": content, "filename": "texts.csv"},
        headers=JSON,
    )
    assert [one["text"] for one in answer.json()["trial"]["texts"]] == ["invoice, card", "parcel"]
    broken = visit.client.post(
        page, data={"csrf": _token(visit), "texts": '{"text": 1}\nx', "filename": "texts.jsonl"}, headers=JSON
    )
    assert broken.status_code == 400
    assert set(broken.json()) == {"message", "id"}
    absent = visit.client.post(page, data={"csrf": _token(visit), "texts": "a", "version": "99"}, headers=JSON)
    assert absent.status_code == 404


def test_trying_needs_a_key_that_may(signed_in: SignedIn, single: Model) -> None:
    looking = signed_in("read")
    page = f"/models/{single.id}/try"
    assert looking.client.post(page, data={"csrf": _token(looking), "texts": "a"}, headers=JSON).status_code == 403


def _token(visit: Visit) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', visit.client.get("/account").text)
    assert found is not None
    return found[1]


def test_that_is_wrong_adds_a_corrected_example_that_can_be_undone(shop: Shop, visit: Visit, single: Model) -> None:
    page = f"/models/{single.id}"
    fields: dict[str, Any] = {
        "text": HOSTILE,
        "label": "delivery",
        "given": "billing",
        "source": "try",
        "back": page + "/try",
    }
    assert visit.post(page + "/corrections", page, **fields) == page + "/try"
    (made,) = shop.service.corrections.list(shop.admin, single.id)
    assert (made.text, made.labels, made.source) == (HOSTILE, ("delivery",), "try")
    text = visit.get(page)
    assert "Train with 1\u00a0correction" in text
    assert escape(HOSTILE)[:40] in text
    assert HOSTILE not in text
    assert "Choose one of its 3 labels" in visit.post(
        page + "/corrections", page, status=400, text="x", label="<b>new</b>", source="try"
    )
    # No way to another site.
    assert visit.post(page + "/corrections", page, **fields | {"back": "//evil.example"}) == "/"
    (made,) = shop.service.corrections.list(shop.admin, single.id)
    visit.post(f"{page}/corrections/{made.id}/remove", page)
    assert "Corrections that wait" not in visit.get(page)


def test_a_mistake_that_was_settled_is_not_shown_again(shop: Shop, visit: Visit) -> None:
    model = shop.pretended_model()
    with shop.service.database.writing() as session:
        version = session.get(VersionRow, (model.id, 1))
        assert version is not None
        version.report = _full_report()
    page = f"/models/{model.id}"
    suspect = _full_report()["suspects"][0]
    fields: dict[str, Any] = {"text": suspect["text"], "label": "billing", "given": "billing", "source": "suspect"}
    visit.post(page + "/corrections", page, **fields)
    visit.post(page + "/corrections", page, text=HOSTILE, label="account", given="billing", source="mistake")
    text = visit.get(page)
    assert "Labels that look wrong" not in text
    assert "most confident mistakes" not in text
    assert "Train with 1\u00a0correction" in text, "a confirmed label changes no data"


def test_training_again_is_watched_on_the_page(shop: Shop, visit: Visit) -> None:
    model = shop.pretended_model()
    page = f"/models/{model.id}"
    shop.service.corrections.add(shop.admin, model.id, "an entirely new text", ["account"])
    assert visit.post(page + "/retrain", page, corrections="yes") == page
    text = visit.get(page)
    assert 'data-live="1500"' in text
    assert "Version 2 waits to be trained" in text
    shop.service.models.delete(shop.admin, model.id)


def test_a_model_is_renamed_and_deleted_by_its_name(shop: Shop, visit: Visit) -> None:
    model = shop.pretended_model()
    page = f"/models/{model.id}"
    visit.post(page + "/rename", page, name=HOSTILE)
    for path in _pages(model):
        assert HOSTILE not in visit.get(path), path
    assert "type" in visit.post(page + "/delete", page, status=400, name="router")
    visit.post(page + "/delete", page, name=HOSTILE)
    visit.get(page, status=404)


def test_a_name_with_several_spaces_is_typed_as_the_page_shows_it(shop: Shop, visit: Visit) -> None:
    model = shop.pretended_model()
    page = f"/models/{model.id}"
    visit.post(page + "/rename", page, name="Router  of\u00a0 May")
    visit.post(page + "/delete", page, status=400, name="RouterofMay")
    visit.post(page + "/delete", page, name="Router of May")
    visit.get(page, status=404)
    dataset = shop.dataset(jsonl(multi_rows(60)), kind=MULTI, name="two  spaces")
    assert visit.post(f"/datasets/{dataset.id}/delete", name="two spaces") == "/datasets"


def test_a_model_outlives_its_dataset_and_says_so(shop: Shop, visit: Visit) -> None:
    model = shop.pretended_model()
    page = f"/models/{model.id}"
    assert f'<a href="/datasets/{model.dataset_id}"><bdi>tickets</bdi></a>' in visit.get(page)
    shop.service.corrections.add(shop.admin, model.id, "another new text", ["account"])
    shop.service.datasets.delete(shop.admin, model.dataset_id)
    for path in _pages(model)[:7]:
        text = visit.get(path)
        assert "trained on a dataset that was deleted" in text, path
        assert f'href="/datasets/{model.dataset_id}"' not in text, path
        assert 'action="/models/' + model.id + '/retrain"' not in text, path
    shop.service.models.delete(shop.admin, model.id)


def test_what_is_corrected_on_an_older_version_comes_back_to_it(shop: Shop, visit: Visit) -> None:
    model = shop.pretended_model()
    page = f"/models/{model.id}"
    with shop.service.database.writing() as session:
        version = session.get(VersionRow, (model.id, 1))
        assert version is not None
        version.report = _full_report()
        session.expunge(version)
        make_transient(version)
        version.number = 2
        session.add(version)
    older = f"{page}?version=2"
    backs = re.findall(r'name="back" value="([^"]*)"', visit.get(older))
    assert set(backs) == {f"{older}#suspects", f"{older}#mistakes"}
    assert f'href="{page}/try?version=2"' in visit.get(older)
    shop.service.corrections.add(shop.admin, model.id, "yet another new text", ["account"])
    assert f'name="back" value="{older}"' in visit.get(older)
    assert f'name="back" value="{page}"' in visit.get(page)
    shop.service.models.delete(shop.admin, model.id)


def test_a_note_is_kept_with_a_version(shop: Shop, visit: Visit, single: Model) -> None:
    page = f"/models/{single.id}"
    visit.post(page + "/notes", page, version="1", note=HOSTILE)
    assert escape(HOSTILE) in visit.get(page + "/versions")
    visit.post(page + "/notes", page, version="1", note="")


def test_snippets_have_the_real_id_and_address_and_no_key(visit: Visit, single: Model, multi: Model) -> None:
    for model in (single, multi):
        found = dict(visit.json(f"/models/{model.id}/call")["snippets"])
        assert set(found) == {"Python", "Node", "curl"}
        for code in found.values():
            assert f"{model.id}-ft" in code
            assert "http://testserver" in code
            assert "ff_your_key" in code
        compile(found["Python"], "snippet", "exec")
    assert ".prediction," in dict(visit.json(f"/models/{single.id}/call")["snippets"])["Python"]
    assert ".predictions," in dict(visit.json(f"/models/{multi.id}/call")["snippets"])["Python"]


def test_the_model_is_downloaded(visit: Visit, single: Model) -> None:
    answer = visit.client.get(f"/models/{single.id}/artifact")
    assert answer.headers["content-disposition"].startswith('attachment; filename="router-v1.zip"')
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert "router-v1/model.json" in archive.namelist()
    card = visit.client.get(f"/models/{single.id}/card")
    assert card.headers["content-type"].startswith("text/markdown")
    assert f"`{single.id}-ft`, version 1" in card.text


def test_the_onnx_file_is_asked_for_made_and_downloaded(shop: Shop, visit: Visit, single: Model) -> None:
    page = f"/models/{single.id}"
    visit.get(page + "/onnx", status=404)
    assert visit.post(page + "/onnx", page + "/call", version="1") == page + "/call"
    waiting = visit.get(page + "/call")
    assert 'id="onnx" data-live' in waiting
    shop.work()
    ready = visit.get(page + "/call")
    assert "data-live" not in ready
    assert f'href="{page}/onnx?version=1"' in ready
    answer = visit.client.get(page + "/onnx?version=1")
    assert int(answer.headers["content-length"]) == len(answer.content) > 1000


def test_the_model_card_takes_no_name_for_markup(shop: Shop, visit: Visit) -> None:
    model = shop.pretended_model()
    shop.service.models.rename(shop.admin, model.id, "a|b [x](javascript:alert) `c`")
    card = visit.client.get(f"/models/{model.id}/card").text
    assert "# a\\|b \\[x\\]\\(javascript:alert\\) \\`c\\`" in card


def _keep_text(shop: Shop, model: Model, text: str) -> None:
    loaded = Answers(model.kind, model.labels, (text,), np.zeros((1, 3), bool), np.array([[0.4, 0.35, 0.25]]))
    version = shop.service.models.ready_version("default", model.id)
    decision = shop.service._registry.get(version).decision
    shop.service._sampler.offer("default", model.id, 1, loaded.texts, loaded.confidences, decision)
    shop.service.write_down()


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_texts_are_reviewed_one_by_one(shop: Shop, visit: Visit, request: pytest.FixtureRequest, kind: str) -> None:
    model: Model = request.getfixturevalue(kind)
    page = f"/models/{model.id}/review"
    assert "No texts are kept" in visit.get(page)
    visit.post(page + "/consent", page, allowed="yes")
    assert "Nothing waits" in visit.get(page)
    _keep_text(shop, model, HOSTILE)
    text = visit.get(page)
    assert escape(HOSTILE) in text
    assert HOSTILE not in text
    for number in range(1, 4):
        assert f'data-key="{number}"' in text
    (waiting,) = shop.service.review.queue(shop.admin, model.id)
    visit.post(f"{page}/{waiting.id}", page, label="delivery")
    (made,) = shop.service.corrections.list(shop.admin, model.id)
    assert (made.text, made.labels, made.source) == (HOSTILE, ("delivery",), "review")
    assert "Train with 1\u00a0correction" in visit.get(page)
    shop.service.corrections.remove(shop.admin, model.id, made.id)
    _keep_text(shop, model, "another one")
    (waiting,) = shop.service.review.queue(shop.admin, model.id)
    visit.post(f"{page}/{waiting.id}", page, skip="yes")
    visit.post(page + "/consent", page, allowed="no")
    assert shop.service.models.get(shop.admin, model.id).review_since is None
    assert "expected yes or no" in visit.post(page + "/consent", page, status=400, allowed="perhaps")


def test_usage_is_shown_over_time_and_by_model(shop: Shop, visit: Visit, single: Model) -> None:
    shop.service.classify(shop.admin, ["invoice", "card"], model=single.id)
    shop.service.usage.note("default", "", 7, 0.03)
    shop.service.usage.note("default", "00000000-0000-4000-8000-000000000000", 1, 0.03)
    shop.service.write_down()
    text = visit.get("/usage")
    assert "Requests over time" in text
    assert "By examples, without a model" in text
    assert "(deleted)" in text
    twin = visit.json(f"/usage?model={single.id}")
    assert twin["total"]["texts"] >= 2
    assert sum(one["requests"] for one in twin["over_time"]) == twin["total"]["requests"]
    assert len(visit.json("/usage?days=90")["over_time"]) <= 31
    visit.get("/usage?days=2", status=400)


def test_percentiles_are_not_above_the_slowest_request(shop: Shop) -> None:
    visit = _enter(shop, organization_id="slow")
    for _ in range(3):
        shop.service.usage.note("slow", "", 1, 0.0301)  # its bucket goes on beyond it
    shop.service.write_down()
    total = visit.json("/usage")["total"]
    assert total["median_ms"] == total["p95_ms"] == total["slowest_ms"] == pytest.approx(30.1)


def test_keys_are_made_shown_once_and_revoked(shop: Shop, visit: Visit) -> None:
    answer = visit.client.post(
        "/keys", data={"csrf": _token(visit), "name": HOSTILE, "scope": ["read", "classify"], "days": "30"}
    )
    assert answer.status_code == 200
    secret = re.search(r'id="secret">(ff_[^<]+)<', answer.text)
    assert secret is not None
    assert answer.headers["cache-control"] == "no-store"
    caller = shop.service.keys.authenticate(secret[1])
    assert caller.scopes == {"read", "classify"}
    text = visit.get("/keys")
    assert secret[1] not in text
    assert escape(HOSTILE) in text
    assert HOSTILE not in text
    visit.post(f"/keys/{caller.key_id}/revoke", "/keys")
    assert "Revoked" in visit.get("/keys")
    assert "no scope" in visit.post("/keys", "/keys", status=400, name="x")
    assert "expected 1 to" in visit.post("/keys", "/keys", status=400, name="x", scope="read", days="0")
    visit.post("/keys/none/revoke", "/keys", status=404)


def test_another_organisations_key_cannot_be_revoked(shop: Shop, visit: Visit) -> None:
    other = shop.service.keys.create_for("other", name="theirs", scopes=("read",))
    visit.post(f"/keys/{other.key.id}/revoke", "/keys", status=404)
    assert shop.service.keys.authenticate(other.secret).organization_id == "other"
