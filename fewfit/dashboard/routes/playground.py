"""Playground: labels with a handful of examples each, answers at once, no training."""

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fewfit.dashboard.context import Context, CurrentContext
from fewfit.dashboard.errors import error_page
from fewfit.dashboard.forms import CurrentForm, Form
from fewfit.dashboard.pages import go_to, show, wants_json
from fewfit.dashboard.uploading import make_dataset, store_text
from fewfit.dashboard.visitors import CurrentVisitor
from fewfit.errors import InputError
from fewfit.service.records import Classification, LabelledText
from fewfit.web.errors import status_of

router = APIRouter(prefix="/playground")

_FEWEST_CARDS = 3
# What a first visit finds: written for fewfit, like its sample sets.
_START = [
    (
        "refund",
        "I would like my money back\nPlease refund the second charge\nWhen will I get the money for the return?",
    ),
    ("delivery", "Where is my parcel?\nIt was to come on Monday and is not here\nCan you deliver to my neighbour?"),
    ("praise", "You were so quick, thank you\nLovely shop, I will come again\nThe new lamp is wonderful"),
]
_START_TEXTS = "My order has still not come\nThank you, that went really well\nGive me back what I paid"


@router.get("")
def ask(request: Request, context: CurrentContext, visitor: CurrentVisitor) -> Response:
    """The form, with an example in it."""
    del visitor
    return _show(request, context, {"cards": _START, "texts": _START_TEXTS, "base": ""})


@router.post("")
def answer(request: Request, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm) -> Response:
    """The same form, with the answers under it."""
    given = _given(form)
    try:
        found = context.service.classify_examples(
            visitor.caller, _lines(given["texts"]), _examples(given["cards"]), base_name=given["base"]
        )
    except InputError as error:
        if wants_json(request):
            return error_page(request, status_of(error), str(error))
        return _show(request, context, given, problem=str(error))
    return _show(request, context, given, found)


@router.post("/dataset")
def keep(request: Request, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm) -> Response:
    """Makes a dataset of the examples, to be trained on."""
    given = _given(form)
    lines = [
        json.dumps({"text": example.text, "label": example.label}, ensure_ascii=False) + "\n"
        for example in _examples(given["cards"])
    ]
    try:
        if any(_lines(examples) and not label.strip() for label, examples in given["cards"]):
            raise InputError("There are examples under a label without a name. Name it, or take them out.")
        if not lines:
            raise InputError("There are no examples yet; write some under a label.")
        stored = store_text(context, visitor.caller, "".join(lines), "playground.jsonl")
        dataset = make_dataset(context, visitor.caller, "From the playground", {"data": stored})
    except InputError as error:
        if wants_json(request):
            return error_page(request, status_of(error), str(error))
        return _show(request, context, given, problem=str(error))
    return go_to(request, f"/models/new/{dataset.id}", id=dataset.id)


def _given(form: Form) -> dict[str, Any]:
    cards = list(zip(form.all("label"), form.all("examples"), strict=False))
    return {"cards": cards, "texts": form.get("texts"), "base": form.get("base")}


def _examples(cards: list[tuple[str, str]]) -> list[LabelledText]:
    return [LabelledText(line, label.strip()) for label, lines in cards if label.strip() for line in _lines(lines)]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _show(
    request: Request, context: Context, given: dict[str, Any], found: Classification | None = None, problem: str = ""
) -> Response:
    cards = [card for card in given["cards"] if card[0].strip() or card[1].strip()]
    cards += [("", "")] * max(1, _FEWEST_CARDS - len(cards))
    view = given | {
        "cards": cards,
        "bases": context.service.models.bases(),
        "classification": found,
        "labels": sorted({label.strip() for label, _ in cards if label.strip()}),
        "problem": problem,
        "max_inputs": context.settings.max_inputs,
    }
    return show(request, "playground.html", view, status=400 if problem else 200)
