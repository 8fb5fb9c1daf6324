"""Try it: texts in, labels with confidences out, and why."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fewfit.dashboard.context import Context, CurrentContext
from fewfit.dashboard.dataset_views import dataset_name
from fewfit.dashboard.errors import error_page
from fewfit.dashboard.forms import CurrentForm
from fewfit.dashboard.pages import show, wants_json
from fewfit.dashboard.visitors import CurrentVisitor
from fewfit.data import read_texts
from fewfit.errors import InputError
from fewfit.service.records import Caller
from fewfit.web.errors import status_of

router = APIRouter(prefix="/models/{model_id}/try")

_SHOWN_CONFIDENCES = 5


@router.get("")
def try_page(
    request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor, version: int | None = None
) -> Response:
    """The empty form."""
    return show(request, "try.html", _view(context, visitor.caller, model_id, version))


@router.post("")
def try_texts(
    request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """The answers to texts: one a line, or what a file holds, whose name tells its kind. `reasons` adds why."""
    service, caller = context.service, visitor.caller
    view = _view(context, caller, model_id, form.number("version"))
    view["content"], view["filename"] = form.get("texts"), form.get("filename")
    try:
        texts = texts_of(view["content"], view["filename"], context.settings.max_inputs)
        trial = service.trying.answer(caller, model_id, texts, version=view["version"])
        view["trial"] = trial
        view["shown"] = [
            sorted(one.confidences.items(), key=lambda pair: -pair[1])[:_SHOWN_CONFIDENCES] for one in trial.texts
        ]
        if form.get("reasons") and caller.may("read"):
            view["reasons"] = service.trying.neighbours(caller, model_id, texts, version=trial.version)
    except InputError as error:
        if wants_json(request):
            return error_page(request, status_of(error), str(error))
        view["problem"] = str(error)
    return show(request, "try.html", view, status=400 if view["problem"] else 200)


def texts_of(content: str, filename: str, most: int) -> list[str]:
    """The texts of a form: lines, or the rows of a CSV or JSONL file. Raises InputError for none or too many."""
    ending = filename.rpartition(".")[2].lower()
    if filename and ending in ("csv", "tsv", "jsonl", "ndjson"):
        texts = [row.text for row in read_texts(content.encode(errors="replace"), name=filename)]
    else:
        texts = [line.strip() for line in content.splitlines() if line.strip()]
    if not texts:
        raise InputError(f"There is no text yet. Write one, or paste up to {most}, one a line.")
    if len(texts) > most:
        raise InputError(f"There are {len(texts):,} texts; at most {most} are tried at once. Leave some out.")
    return texts


def _view(context: Context, caller: Caller, model_id: str, version: int | None) -> dict[str, Any]:
    model = context.service.models.get(caller, model_id)
    return {
        "model": model,
        "dataset_name": dataset_name(context, caller, model.dataset_id),
        "version": version,
        "content": "",
        "filename": "",
        "trial": None,
        "shown": [],
        "reasons": None,
        "problem": "",
        "most": context.settings.max_inputs,
        "may_train": caller.may("train"),
        "may_read": caller.may("read"),
    }
