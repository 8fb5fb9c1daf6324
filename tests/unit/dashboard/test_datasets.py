"""Datasets: browsed, repaired with one click, edited, gone back, downloaded, deleted."""

import csv
import html
import io
import json
import re
from typing import Any

import pytest

from tests.unit.dashboard.conftest import SignedIn, Visit
from tests.unit.service.shop import Shop, jsonl, multi_rows, single_rows
from tests.unit.service.test_editing import FOUND, messy

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }} {% raw %}",
    "\u202eright to left\u202d",
    "😀👩‍👩‍👧",
    "' or 1=1 --",
    "</textarea></select></title>",
    "x" * 10_000,
)


def repairs(page: str) -> list[tuple[str, dict[str, Any]]]:
    """The buttons of repairs on a page: what they say and what they send."""
    found = re.findall(r'name="edit" value="([^"]*)"><button class="button"><bdi>(.*?)</bdi>', page)
    return [(html.unescape(words), json.loads(html.unescape(edit))) for edit, words in found]


def test_findings_are_repaired_with_one_click_and_undone(shop: Shop, visit: Visit) -> None:
    dataset = shop.dataset(jsonl(messy()), options=FOUND)
    page = f"/datasets/{dataset.id}"
    words = [one for one, _ in repairs(visit.get(page))]
    assert "Merge 'Billing' into 'billing'" in words
    assert "Drop 'other' (1 row)" in words
    assert "Drop 1 copy" in words
    for wanted in ("Merge 'Billing'", "Drop 'other'", "Drop 1 copy"):
        edit = next(edit for one, edit in repairs(visit.get(page)) if one.startswith(wanted))
        where = visit.post(f"{page}/edit", page, edit=json.dumps(edit), back=f"/models/new/{dataset.id}")
        assert where == f"/models/new/{dataset.id}"
        assert "Checking" in visit.get(where)
        shop.work()
    assert visit.json(page)["ready"]
    assert "Version 4: <bdi>Dropped 1 copy</bdi>" in visit.get(page).replace("</span>", "")
    visit.post(f"{page}/restore", page, version="3")
    shop.work()
    assert "Drop 1 copy" in [one for one, _ in repairs(visit.get(page))]


def test_a_finding_leads_to_its_rows(shop: Shop, visit: Visit) -> None:
    dataset = shop.dataset(jsonl(messy()), options=FOUND)
    view = visit.json(f"/datasets/{dataset.id}")
    conflict = next(one for one in view["findings"] if one["code"] == "conflicting_labels")
    rows = visit.json(f"/datasets/{dataset.id}/rows?finding={conflict['key']}")
    assert [(row["text"], row["labels"]) for row in rows["rows"]] == [
        ("parcel or invoice", ["delivery"]),
        ("parcel or invoice", ["billing"]),
    ]
    visit.get(f"/datasets/{dataset.id}/rows?finding=99", status=404)


def test_the_address_of_a_finding_leads_to_no_other_one(shop: Shop, visit: Visit) -> None:
    rows = [*messy(), {"text": "a new door", "label": "Delivery"}]
    dataset = shop.dataset(jsonl(rows), options=FOUND)
    page = f"/datasets/{dataset.id}"
    keys = {one["message"]: one["key"] for one in visit.json(page)["findings"]}
    assert len(set(keys.values())) == len(keys)
    spelling = next(key for message, key in keys.items() if "'Billing' (1)" in message and "differ only" in message)
    conflict = f"{page}/rows?finding=conflicting_labels"
    visit.post(f"{page}/edit", page, op="rename", label="Billing", to="billing")
    visit.post(f"{page}/edit", page, op="drop_rows", row="51")
    assert [row["row"] for row in visit.json(conflict)["rows"]] == [52, 53]
    shop.work()
    left = visit.json(page)["findings"]
    assert [one["key"] for one in left if one["code"] == "label_variants"] != [spelling]
    assert [row["row"] for row in visit.json(conflict)["rows"]] == [52, 53]
    # What was repaired is told, beside the way on, and there is nothing else in its place.
    gone = visit.get(f"{page}/rows?finding={spelling}", status=404)
    assert "This is found no more" in gone
    assert "Show all rows" in gone
    assert "Drop ticked" not in gone
    assert set(visit.json(f"{page}/rows?finding={spelling}", status=404)) == {"message", "id"}


def test_the_page_of_rows_is_fetched_again_while_they_are_checked(shop: Shop, visit: Visit) -> None:
    dataset = shop.dataset(jsonl(single_rows()), options=FOUND)
    page = f"/datasets/{dataset.id}/rows"
    assert "data-live" not in visit.get(page)
    visit.post(f"/datasets/{dataset.id}/edit", page, op="drop_rows", row="1")
    assert 'id="state" data-live="700"' in visit.get(page)
    shop.work()
    assert "data-live" not in visit.get(page)


def test_rows_are_relabelled_dropped_added_and_renamed(shop: Shop, visit: Visit) -> None:
    dataset = shop.dataset(jsonl(single_rows()), options=FOUND)
    page = f"/datasets/{dataset.id}/rows"
    edit = f"/datasets/{dataset.id}/edit"
    visit.post(edit, page, op="relabel", row=["1", "4"], label="account", back=f"{page}?part=train#row-1")
    visit.post(edit, page, op="relabel", row="2", label="billing", new_label="Parcels & more")
    visit.post(edit, page, op="drop_rows", row="3")
    visit.post(edit, page, op="add", text="a new\r\none", label="billing", new_label="")
    visit.post(edit, page, op="rename", label="delivery", to="shipping")
    rows = {row["row"]: row for row in visit.json(page)["rows"]}
    assert [rows[row]["labels"] for row in (1, 4, 2)] == [["account"], ["account"], ["Parcels & more"]]
    assert 3 not in rows
    assert (rows[49]["text"], rows[49]["labels"]) == ("a new\none", ["billing"])
    assert rows[5]["labels"] == ["shipping"]
    assert "No row is chosen" in visit.post(edit, page, op="drop_rows", status=400)
    visit.post(edit, page, op="eval", status=400)
    visit.post(edit, page, edit="[[[", status=400)
    visit.post(edit, page, edit="[]", status=400)


def test_in_multilabel_data_a_text_has_the_labels_that_are_ticked(shop: Shop, visit: Visit) -> None:
    dataset = shop.dataset(jsonl(multi_rows()), options=FOUND)
    page = f"/datasets/{dataset.id}/rows"
    edit = f"/datasets/{dataset.id}/edit"
    visit.post(edit, page, op="relabel", row="1", label=["account", "billing"], new_label="new")
    visit.post(edit, page, op="relabel", row="2")
    rows = {row["row"]: row["labels"] for row in visit.json(page)["rows"]}
    assert rows[1] == ["account", "billing", "new"]
    assert rows[2] == []
    assert visit.json(f"{page}?label=-")["total"] == sum(not labels for labels in rows.values())
    assert 'type="checkbox" name="label" value="new"' in visit.get(f"{page}?edit=1")


def test_rows_are_searched_filtered_and_turned(shop: Shop, visit: Visit) -> None:
    dataset = shop.dataset(jsonl(single_rows(40)), options=FOUND)
    page = f"/datasets/{dataset.id}/rows"
    assert visit.json(page)["total"] == 120
    assert "page 1 of 3" in visit.get(page)
    assert len(visit.json(f"{page}?page=3")["rows"]) == 20
    assert visit.json(f"{page}?q=invoice&label==billing")["total"] == visit.json(f"{page}?q=invoice")["total"] > 0
    assert visit.json(f"{page}?q=nothing+at+all")["total"] == 0
    assert "None fits" in visit.get(f"{page}?q=nothing")
    assert "There is no evaluation part" in visit.get(f"{page}?part=eval")
    for wrong in ("part=x", "version=9", "page=x", "finding=-1"):
        assert visit.client.get(f"{page}?{wrong}").status_code in (400, 404), wrong


def test_the_bar_of_a_label_has_its_whole_name_and_leads_to_its_rows(shop: Shop, visit: Visit) -> None:
    long = "a label & its reasons, " * 5
    rows = [*single_rows(), *({"text": f"long {number}", "label": long} for number in range(8))]
    dataset = shop.dataset(jsonl(rows), options=FOUND)
    bars = visit.get(f"/datasets/{dataset.id}").partition('class="label-bars"')[2].partition("</ul>")[0]
    found = re.findall(r'<a href="([^"]*)"><bdi>(.*?)</bdi>', bars)
    assert len(found) == 4
    address, name = found[-1]
    assert html.unescape(name) == long.strip()
    assert visit.json(html.unescape(address))["total"] == 8


def test_a_page_of_endless_texts_has_an_end(shop: Shop, visit: Visit) -> None:
    rows = [row | {"text": "word " * 20_000 + str(number)} for number, row in enumerate(single_rows())]
    dataset = shop.dataset(jsonl(rows), options=FOUND)
    page = visit.get(f"/datasets/{dataset.id}/rows")
    assert len(page) < 1_500_000
    assert "more.</p></details>" in page


def test_undo_takes_back_what_its_page_shows_and_nothing_else(shop: Shop, visit: Visit) -> None:
    dataset = shop.dataset(jsonl(single_rows()), options=FOUND)
    page = f"/datasets/{dataset.id}"
    visit.post(f"{page}/edit", page, op="drop_rows", row="1")
    for path in (page, f"{page}/rows"):
        assert '<input type="hidden" name="undone" value="2">' in visit.get(path)
    visit.post(f"{page}/edit", page, op="drop_rows", row="2")  # in another tab
    assert "version 3 (Dropped 1 row) is the newest" in visit.post(
        f"{page}/restore", page, status=400, version="1", undone="2"
    )
    assert visit.json(f"{page}/rows")["total"] == 46
    visit.post(f"{page}/restore", page, version="2", undone="3")
    assert visit.json(f"{page}/rows")["total"] == 47


def test_rows_that_are_ticked_lead_back_to_their_page(shop: Shop, visit: Visit) -> None:
    dataset = shop.dataset(jsonl(single_rows(17)), options=FOUND)
    page = f"/datasets/{dataset.id}/rows?page=2"
    back = re.search(r'id="bulk".*?name="back" value="([^"]*)"', visit.get(page))
    assert back is not None
    assert html.unescape(back[1]) == f"/datasets/{dataset.id}/rows?page=2&part=train"
    visit.post(f"/datasets/{dataset.id}/edit", page, op="drop_rows", row="51")
    last = visit.json(page)
    assert (last["page"], last["n_pages"], len(last["rows"])) == (1, 1, 50)


def test_an_older_version_can_be_looked_at_but_not_edited(shop: Shop, visit: Visit) -> None:
    dataset = shop.dataset(jsonl(single_rows()), options=FOUND)
    visit.post(f"/datasets/{dataset.id}/edit", f"/datasets/{dataset.id}/rows", op="drop_rows", row="1")
    old = visit.get(f"/datasets/{dataset.id}/rows?version=1")
    assert "This is version 1" in old
    assert "Drop ticked" not in old
    assert visit.json(f"/datasets/{dataset.id}/rows?version=1")["total"] == 48


def test_a_dataset_is_downloaded_as_it_is(shop: Shop, visit: Visit) -> None:
    dataset = shop.dataset(jsonl(single_rows()), options=FOUND)
    answer = visit.client.get(f"/datasets/{dataset.id}/download?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert f'filename="{dataset.id}-train.csv"' in answer.headers["content-disposition"]
    assert [dict(row) for row in csv.DictReader(io.StringIO(answer.text))] == single_rows()
    assert visit.client.get(f"/datasets/{dataset.id}/download?format=exe").status_code == 400
    assert visit.client.get(f"/datasets/{dataset.id}/download?part=../x").status_code == 400


def test_a_dataset_goes_only_where_its_name_was_typed(shop: Shop, visit: Visit) -> None:
    dataset = shop.dataset(jsonl(single_rows()))
    visit.post(f"/datasets/{dataset.id}/delete", status=400, name="other")
    assert visit.post(f"/datasets/{dataset.id}/delete", name="tickets") == "/datasets"
    visit.get(f"/datasets/{dataset.id}", status=404)


def test_who_may_only_read_gets_no_buttons(shop: Shop, signed_in: SignedIn) -> None:
    dataset = shop.dataset(jsonl(messy()), options=FOUND)
    reader = signed_in("read")
    for path in (f"/datasets/{dataset.id}", f"/datasets/{dataset.id}/rows", f"/models/new/{dataset.id}"):
        page = reader.get(path)
        assert "/edit" not in page
        assert "/restore" not in page
    reader.post(f"/datasets/{dataset.id}/edit", status=403, op="drop_rows", row="1")


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_and_labels_show_as_text(shop: Shop, visit: Visit, hostile: str) -> None:
    label = hostile[:900]
    rows = [
        *single_rows(),
        *({"text": f"{hostile} {number}", "label": label} for number in range(6)),
        {"text": f"{hostile} 0", "label": "billing"},
        {"text": "rare", "label": f"{label} rare"},
    ]
    dataset = shop.dataset(jsonl(rows), options=FOUND, name=hostile[:49].strip())
    shown = html.escape(hostile[:200], quote=False).replace("'", "&#39;")
    for path in (
        "/",
        "/datasets",
        f"/datasets/{dataset.id}",
        f"/datasets/{dataset.id}/rows?q={hostile[:20]}",
        f"/datasets/{dataset.id}/rows?edit=49&label==x",
        f"/models/new/{dataset.id}",
        f"/models/new/{dataset.id}/settings",
    ):
        page = visit.get(path)  # checks that nothing of it became markup
        assert "alert(1)</script>" not in page
        assert "<img" not in page
    page = visit.get(f"/datasets/{dataset.id}/rows?label=={label}".replace("#", "%23").replace("&", "%26"))
    assert shown[:150] in page.replace("&#34;", '"')
    assert f"<bdi>{shown[:20]}" in page.replace("&#34;", '"')


def test_a_nul_in_an_address_is_shown_and_finds_nothing(shop: Shop, visit: Visit) -> None:
    dataset = shop.dataset(jsonl(single_rows()), options=FOUND)
    assert "␀" in visit.get(f"/datasets/{dataset.id}/rows?q=%00")
    visit.get("/datasets?q=%00%ff")
    visit.get("/datasets/%00", status=404)
    visit.get("/models/new/a%00b", status=404)
