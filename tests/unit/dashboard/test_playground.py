"""Playground: answers from a handful of examples, and a dataset in one click."""

from typing import Any

from tests.unit.dashboard.conftest import SignedIn, Visit
from tests.unit.service.shop import Shop

CARDS: dict[str, Any] = {
    "label": ["money", "parcel", ""],
    "examples": ["invoice card\nrefund card\n", "courier late\r\nparcel door", ""],
    "texts": "invoice card refund\n\n<b>parcel</b> late",
}


def test_texts_are_sorted_by_the_examples(visit: Visit) -> None:
    page = visit.post("/playground", "/playground", status=200, **CARDS)
    assert "Answers" in page
    assert "&lt;b&gt;parcel&lt;/b&gt; late" in page
    assert 'value="money"' in page, "what was written is still there"
    assert page.count('class="confidence"') == 2


def test_what_is_missing_is_said_and_nothing_is_lost(visit: Visit) -> None:
    page = visit.post("/playground", "/playground", status=400, **CARDS | {"label": ["money", "", ""]})
    assert "at least 2 different labels" in page
    assert "invoice card" in page
    assert "inputs is empty" in visit.post("/playground", "/playground", status=400, **CARDS | {"texts": " "})


def test_the_examples_become_a_dataset(shop: Shop, visit: Visit) -> None:
    where = visit.post("/playground/dataset", "/playground", **CARDS)
    shop.work()
    overview = visit.json(where)["version"]["overview"]
    assert overview["train"] == {"n_rows": 4, "labels": {"money": 2, "parcel": 2}}
    empty = {"label": ["", ""], "examples": ["", ""]}
    assert "no examples yet" in visit.post("/playground/dataset", "/playground", status=400, **empty)


def test_nothing_that_was_written_is_left_out_of_the_dataset_without_a_word(shop: Shop, visit: Visit) -> None:
    many: dict[str, Any] = {"label": [f"label {number}" for number in range(60)], "examples": ["one\ntwo"] * 60}
    where = visit.post("/playground/dataset", "/playground", **many)
    shop.work()
    assert len(visit.json(where)["version"]["overview"]["train"]["labels"]) == 60
    page = visit.post("/playground/dataset", "/playground", status=400, **CARDS | {"label": ["money", " ", ""]})
    assert "under a label without a name" in page
    assert "courier late" in page


def test_scopes_are_asked_for(signed_in: SignedIn) -> None:
    reader = signed_in("read")
    assert "Make a dataset" not in reader.get("/playground")
    reader.post("/playground", status=403, **CARDS)
    reader.post("/playground/dataset", status=403, **CARDS)
