"""New model: from a file or pasted rows to a training that is watched and cancelled."""

import re
from typing import Any

import pytest

from tests.unit.dashboard.conftest import JSON, SignedIn, Visit
from tests.unit.service.conftest import OpenShop
from tests.unit.service.shop import Shop, jsonl, multi_rows, single_rows, unlabelled


def upload(visit: Visit, *, status: int = 303, files: dict[str, Any] | None = None, **fields: str) -> str:
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', visit.client.get("/models/new").text)
    assert token is not None
    # httpx sends fields before files, as a browser sends the form of the page.
    parts = {"eval_data": ("", b""), **(files or {"data": ("", b"")})}
    answer = visit.client.post("/models/new", data={"csrf": token[1], **fields}, files=parts, follow_redirects=False)
    assert answer.status_code == status, answer.text[:3000]
    return str(answer.headers["location"] if status == 303 else answer.text)


def test_a_file_becomes_a_model(shop: Shop, visit: Visit) -> None:
    rows = single_rows()
    evaluation = [row | {"text": f"held out: {row['text']}"} for row in rows[:24]]
    files = {"data": ("Tickets of May.jsonl", jsonl(rows)), "eval_data": ("e.jsonl", jsonl(evaluation))}
    where = upload(visit, files=files)
    assert 'data-live="700"' in visit.get(where)
    shop.work()
    view = visit.json(where)
    assert view["dataset"]["name"] == "Tickets of May"
    assert view["ready"]
    assert all(one["met"] for one in view["requirements"])
    page = visit.get(where)
    assert "data-live" not in page
    assert "48\u00a0examples" in page
    assert "24\u00a0examples" in page
    assert "<svg" in page
    assert "Show as table" in page
    settings = f"{where}/settings"
    assert 'value="single" checked' in visit.get(settings)
    where = visit.post(settings, name="May", kind="single", base="small", effort="quick")
    assert "Waiting for a worker" in visit.get(where)
    shop.work()
    page = visit.get(where)
    assert "Open the model" in page
    assert "Training loss by step" in page
    assert visit.json(where)["version"]["status"] == "ready"
    assert shop.service.models.get(shop.admin, visit.json(where)["model"]["id"]).hyperparameters.effort == "quick"


def test_texts_without_labels_are_learnt_from_and_kept_where_something_is_wrong(shop: Shop, visit: Visit) -> None:
    where = upload(visit, files={"data": ("Tickets.jsonl", jsonl(single_rows()))})
    shop.work()
    settings = f"{where}/settings"
    lines = "\r\n".join(["", *unlabelled(120), "  ", "an odd & last one"])
    page = visit.post(settings, status=400, name="", kind="single", unlabelled=lines)
    assert "an odd &amp; last one" in page
    assert '<details class="fold" open>' in page
    page = visit.post(settings, status=400, name="May", kind="multi", unlabelled=lines)
    assert "Change the kind first" in page
    assert "an odd &amp; last one" in page
    training = visit.post(settings, name="May", kind="single", unlabelled=lines)
    shop.work()
    model = visit.json(training)["model"]["id"]
    learnt = shop.service.models.report(shop.admin, model)["unlabelled"]
    assert isinstance(learnt, dict)
    assert learnt["n_unlabelled"] > 100
    assert f"of {learnt['n_unlabelled']}\u00a0texts without labels" in visit.get(f"/models/{model}")


def test_rows_can_be_pasted(shop: Shop, visit: Visit) -> None:
    pasted = "text,label\r\n" + "".join(f"text {n} of a or b,{'ab'[n % 2]}\r\n" for n in range(40))
    where = upload(visit, pasted=pasted, name="Pasted")
    shop.work()
    assert visit.json(where)["dataset"]["name"] == "Pasted"
    assert visit.json(where)["version"]["overview"]["train"] == {"n_rows": 40, "labels": {"a": 20, "b": 20}}


@pytest.mark.parametrize(
    ("files", "fields", "message"),
    [
        ({}, {"name": "N<b>"}, "neither a file nor pasted rows"),
        ({"data": ("x.xlsx", b"PK\x03\x04...")}, {}, "expected .csv or .jsonl"),
        ({"data": ("x.csv", b"")}, {}, "empty"),
        ({"data": ("x.csv", b"text,label\n")}, {"name": "x" * 60}, "at most 49"),
    ],
)
def test_a_form_that_cannot_be_taken_says_why_and_keeps_its_input(
    visit: Visit, files: dict[str, Any], fields: dict[str, str], message: str
) -> None:
    page = upload(visit, status=400, files=files or None, **fields)
    assert message in page
    for value in fields.values():
        assert value.replace("<", "&lt;").replace(">", "&gt;") in page
    assert visit.json("/datasets")["listing"]["total"] == 0


def test_a_file_and_pasted_rows_at_once_are_refused_and_the_rows_stay(shop: Shop, visit: Visit) -> None:
    files = {"data": ("a.jsonl", jsonl(single_rows()))}
    page = upload(visit, status=400, files=files, pasted="text,label\na,<b>\n", name="Both")
    assert "There is a file and there are pasted rows" in page
    assert "a,&lt;b&gt;" in page
    assert 'value="Both"' in page
    assert shop.service.datasets.usage_bytes(shop.admin) == 0


def test_nothing_is_stored_before_the_token_was_checked(shop: Shop, visit: Visit) -> None:
    for data in ({}, {"csrf": "0" * 64}):
        answer = visit.client.post("/models/new", data=data, files={"data": ("a.jsonl", jsonl(single_rows()))})
        assert answer.status_code == 403
    assert shop.service.datasets.usage_bytes(shop.admin) == 0
    assert not list(shop.service.files.staging.iterdir())


def test_rows_pasted_before_signing_in_again_stay(shop: Shop, visit: Visit) -> None:
    files: dict[str, Any] = {"data": ("a.jsonl", jsonl(single_rows())), "pasted": (None, "text,label\na <b>,x\n")}
    answer = visit.client.post("/models/new", data={"csrf": "0" * 64, "name": "Old"}, files=files)
    assert answer.status_code == 403
    assert "You have signed in again" in answer.text
    assert "a &lt;b&gt;,x" in answer.text
    assert 'value="Old"' in answer.text
    assert shop.service.datasets.usage_bytes(shop.admin) == 0
    assert not list(shop.service.files.staging.iterdir())


def test_rows_pasted_into_a_session_that_ended_can_be_sent_again(shop: Shop, visit: Visit) -> None:
    own = {"Sec-Fetch-Site": "same-origin"}
    rows = "text,label\na <b>,x\n"
    visit.post("/sign-out")
    files: dict[str, Any] = {"name": (None, "Old"), "pasted": (None, rows), "eval_data": ("e.csv", "secret,x\n")}
    sent = visit.client.post("/models/new", files=files, headers=own)
    assert sent.status_code == 401
    assert "Sign in in another tab" in sent.text
    assert 'action="/models/new" enctype="multipart/form-data"' in sent.text
    assert 'name="pasted" value="text,label\na &lt;b&gt;,x\n"' in sent.text
    assert 'name="name" value="Old"' in sent.text
    assert "secret" not in sent.text
    # Nothing is kept of what came from elsewhere, was a file, or is large.
    large: dict[str, Any] = {"pasted": (None, "x" * 300_000)}
    alone: dict[str, Any] = {"data": ("a.csv", rows), "pasted": (None, "")}
    for headers, form in (({}, files), (own, alone), (own, large)):
        away = visit.client.post("/models/new", files=form, headers=headers, follow_redirects=False)
        assert (away.status_code, away.headers["location"]) == (303, "/sign-in")
    assert shop.service.datasets.usage_bytes(shop.admin) == 0


def test_only_who_may_train_uploads(signed_in: SignedIn) -> None:
    reader = signed_in("read")
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', reader.client.get("/account").text)
    assert token is not None
    answer = reader.client.post(
        "/models/new", data={"csrf": token[1]}, files={"data": ("a.jsonl", jsonl(single_rows()))}
    )
    assert answer.status_code == 403
    assert "lacks the scope" in answer.text


def test_an_upload_that_is_too_large_is_refused(open_shop: OpenShop) -> None:
    from tests.unit.dashboard.conftest import browse

    shop = open_shop(max_dataset_bytes=500)
    visit = Visit(browse(shop))
    visit.sign_in(shop.service.keys.create_for("default", name="a", scopes=("train",)).secret)
    page = upload(visit, status=400, files={"data": ("a.jsonl", jsonl(single_rows()))})
    assert "more than 500 bytes" in page
    assert shop.service.datasets.usage_bytes(shop.admin) == 0


def test_requirements_tick_while_rows_are_typed(visit: Visit) -> None:
    def ask(rows: str) -> list[bool]:
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', visit.client.get("/account").text)
        assert token is not None
        headers = JSON | {"X-CSRF-Token": token[1]}
        answer = visit.client.post("/models/new/check", data={"rows": rows}, headers=headers)
        assert answer.status_code == 200, answer.text
        return [one["met"] for one in answer.json()["requirements"] if one["needed"]]

    assert ask("text,label\na,x\n") == [False, False, False, True]
    assert ask("text,label\n" + "".join(f"{n},{n % 2}\n" for n in range(40))) == [True, True, True, True]
    assert ask('{"text": "a"}\n{"text": "b", "label": "x"}')[3] is False


def test_the_kind_can_be_changed_before_training(shop: Shop, visit: Visit) -> None:
    where = upload(visit, files={"data": ("a.jsonl", jsonl(single_rows()))})
    shop.work()
    settings = visit.post(f"{where}/settings", name="n", kind="multi", base="small", effort="quick")
    assert settings.startswith(f"{where}/settings?name=n&")
    assert " disabled" in visit.get(settings)
    shop.work()
    page = visit.get(settings)
    assert 'value="multi" checked' in page
    assert " disabled" not in page
    training = visit.post(settings.partition("?")[0], name="n", kind="multi", base="small", effort="quick")
    assert visit.json(training)["model"]["kind"] == "multi"


def test_a_kind_that_does_not_fit_is_explained_on_the_form(shop: Shop, visit: Visit) -> None:
    where = upload(visit, files={"data": ("a.jsonl", jsonl(multi_rows()))})
    shop.work()
    page = visit.post(f"{where}/settings", status=400, name="Keep me", kind="single", effort="quick")
    assert "in single-label data each text has exactly one" in page
    assert 'value="Keep me"' in page


def test_data_that_are_not_in_order_are_not_trained_on(shop: Shop, visit: Visit) -> None:
    where = upload(visit, files={"data": ("a.jsonl", jsonl(single_rows(2)))})
    shop.work()
    page = visit.get(where)
    assert "cannot be trained on yet" in page
    assert "Next: settings" not in page
    assert "failed validation" in visit.post(f"{where}/settings", status=400, name="x", effort="quick")


def test_a_training_is_cancelled(shop: Shop, visit: Visit) -> None:
    model = shop.model(work=False)
    where = f"/models/{model.id}/training"
    assert visit.post(f"/models/{model.id}/cancel", where) == where
    page = visit.get(where)
    assert "The training was cancelled" in page
    assert "Train again" in page


def test_a_cancelled_training_is_called_a_failure_nowhere(shop: Shop, visit: Visit) -> None:
    model = shop.model(work=False)
    page = f"/models/{model.id}"
    visit.post(page + "/cancel", page)
    for path in ("/", "/models", page, page + "/training", page + "/versions", page + "/try"):
        text = visit.get(path)
        assert ">Cancelled</span>" in text, path
        assert "ailed" not in text.partition("What happened")[0], path
    again = shop.pretended_model()
    page = f"/models/{again.id}"
    visit.post(page + "/retrain", page)
    visit.post(page + "/cancel", page)
    assert "Training of version 2 was cancelled" in visit.get(page)
    assert "ailed" not in visit.get(page)


def test_the_base_that_fits_is_chosen_from_the_languages(open_shop: OpenShop) -> None:
    from fewfit.dashboard.routes.new_model import fitting_base
    from fewfit.service.records import DatasetOverview, PartOverview

    part = PartOverview(1, {})
    names = ["multilingual", "english", "english-small"]
    assert fitting_base(DatasetOverview("single", part, None, base="english"), names) == "english"
    assert fitting_base(DatasetOverview("single", part, None, base="multilingual"), names) == "multilingual"
    assert fitting_base(None, names) == "multilingual"
    own = ["my-own-base", *names]
    assert fitting_base(DatasetOverview("single", part, None, base="english"), own) == "my-own-base"
