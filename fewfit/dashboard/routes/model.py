"""A model: how good it is, what is wrong, its versions, and what to do next."""

from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fewfit.dashboard.context import Context, CurrentContext
from fewfit.dashboard.dataset_views import dataset_name
from fewfit.dashboard.figures import (
    EVALUATED_ON,
    confusion_of,
    figures_of,
    open_suspects,
    own_mistakes,
    sliders_of,
)
from fewfit.dashboard.forms import CurrentForm, Form
from fewfit.dashboard.pages import go_to, own_path, show
from fewfit.dashboard.visitors import CurrentVisitor
from fewfit.service.records import Caller
from fewfit.service.records_in_use import CorrectionSource
from fewfit.service.store.parts import shortened
from fewfit.web.errors import RequestError

router = APIRouter(prefix="/models/{model_id}")

_MOST_LABELS = 12


@router.get("")
def model_page(
    request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor, version: int | None = None
) -> Response:
    """Everything about a version: the one that answers, or the one that is asked for."""
    return show(request, "model.html", model_view(context, visitor.caller, model_id, version))


def model_view(context: Context, caller: Caller, model_id: str, version: int | None = None) -> dict[str, Any]:
    """What the Model page shows."""
    models = context.service.models
    model = models.get(caller, model_id)
    versions = models.versions(caller, model.id)
    newest = versions[0]
    wanted = version if version is not None else model.promoted_version or newest.number
    report = models.report(caller, model.id, wanted)
    shown = next(one for one in versions if one.number == wanted)
    training = newest.status not in ("ready", "failed")
    corrections = context.service.corrections.list(caller, model.id, limit=1000)
    settled = [text for one in corrections for text in (one.text, shortened(one.text))]
    suspects = open_suspects(report, settled)
    return {
        "model": model,
        "dataset_name": dataset_name(context, caller, model.dataset_id),
        "version": shown,
        "versions": versions,
        "training": newest if training else None,
        "progress": models.progress(caller, model.id) if training else None,
        "report": report,
        "figures": figures_of(report),
        "evaluated_on": EVALUATED_ON.get(str(report.get("evaluated_on", "")), "texts kept out of training"),
        "confusion": confusion_of(report),
        "sliders": sliders_of(report),
        # What is a suspect already need not be looked at twice.
        "mistakes": own_mistakes(report, [*settled, *(one["text"] for one in suspects)]),
        "suspects": suspects,
        "waiting": [one for one in corrections if one.state == "waiting"],
        "may_train": caller.may("train"),
        "most_labels": _MOST_LABELS,
    }


@router.get("/versions")
def versions_page(request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor) -> Response:
    """Every training of a model: compare, switch, roll back; and what to do with the model itself."""
    models, caller = context.service.models, visitor.caller
    model = models.get(caller, model_id)
    view = {
        "model": model,
        "dataset_name": dataset_name(context, caller, model.dataset_id),
        "versions": models.versions(caller, model.id),
        "events": list(models.events(caller, model.id, page_size=20)),
        "may_train": caller.may("train"),
        "n_waiting": context.service.corrections.n_waiting(caller, model.id),
    }
    return show(request, "versions.html", view)


@router.get("/compare")
def compare_page(
    request: Request,
    model_id: str,
    context: CurrentContext,
    visitor: CurrentVisitor,
    before: int | None = None,
    after: int | None = None,
) -> Response:
    """Two versions side by side; by default the one that answers and the newest."""
    models, caller = context.service.models, visitor.caller
    model = models.get(caller, model_id)
    versions = models.versions(caller, model.id)
    newest_ready = next((one.number for one in versions if one.status == "ready"), versions[0].number)
    before = before if before is not None else model.promoted_version or newest_ready
    after = after if after is not None else newest_ready
    found = context.service.comparing.compare(caller, model.id, before, after)
    view = {
        "model": model,
        "dataset_name": dataset_name(context, caller, model.dataset_id),
        "versions": [one for one in versions if one.status == "ready"],
        "comparison": found,
        "before_figures": figures_of(found.before_report),
        "after_figures": figures_of(found.after_report),
        "per_label": _labels_side_by_side(found.before_report, found.after_report),
        "changed": [vars(one) | {"verdict": one.verdict} for one in found.changed],
        "may_train": caller.may("train"),
    }
    return show(request, "compare.html", view)


def _labels_side_by_side(before: Any, after: Any) -> list[dict[str, Any]]:
    old = {one["label"]: one for one in before.get("per_label") or ()}
    new = {one["label"]: one for one in after.get("per_label") or ()}
    names = sorted(old.keys() | new.keys())
    return [{"label": name, "before": old.get(name), "after": new.get(name)} for name in names]


# What can be done --------------------------------------------------------------------------------


@router.post("/retrain")
def retrain(
    request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Trains a new version, with the corrections that wait where that is asked for."""
    caller, service = visitor.caller, context.service
    if form.get("corrections"):
        made = service.corrections.retrain(caller, model_id)
    else:
        made = service.models.retrain(caller, model_id, wait=True)
    return go_to(request, f"/models/{made.model_id}", version=made)


@router.post("/promote")
def promote(
    request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Lets a version answer."""
    model = context.service.models.promote(visitor.caller, model_id, _version(form))
    return go_to(request, f"/models/{model.id}/versions", model=model)


@router.post("/rollback")
def rollback(
    request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Lets the version that answered before answer again."""
    del form  # ours
    model = context.service.models.rollback(visitor.caller, model_id)
    return go_to(request, f"/models/{model.id}/versions", model=model)


@router.post("/rename")
def rename(
    request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Gives the model another name."""
    model = context.service.models.rename(visitor.caller, model_id, form.get("name"))
    return go_to(request, f"/models/{model.id}/versions", model=model)


@router.post("/delete")
def delete(
    request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Deletes the model, once its name was typed."""
    visitor.caller.require("train")
    model = context.service.models.get(visitor.caller, model_id)
    if form.get("name").split() != model.name.split():  # as the page shows it: white space is one space
        raise RequestError(f"The name typed is {form.get('name')[:80]!r}; type {model.name!r} to delete the model.")
    context.service.models.delete(visitor.caller, model.id)
    return go_to(request, "/models")


@router.post("/thresholds")
def save_thresholds(
    request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Saves thresholds as a new version; field `threshold-3` belongs to the fourth label of the field `version`."""
    service, caller = context.service, visitor.caller
    version = _version(form)
    labels = cast(list[str], service.models.report(caller, model_id, version).get("labels") or [])
    values: dict[str, float] = {}
    for number, label in enumerate(labels):
        given = form.get(f"threshold-{number}").strip()
        if given:
            values[label] = _share(given, f"The threshold of {label!r}")
    made = service.thresholds.save(
        caller, model_id, values, version=version, promote=bool(form.get("promote")), note=form.get("note")
    )
    return go_to(request, f"/models/{made.model_id}?version={made.number}", version=made)


@router.post("/notes")
def annotate(
    request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Notes something about a version."""
    made = context.service.thresholds.annotate(visitor.caller, model_id, _version(form), form.get("note"))
    return go_to(request, f"/models/{made.model_id}/versions", version=made)


@router.post("/corrections")
def correct(
    request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Keeps the right labels of a text: of an answer, a mistake, or a suspect. Confirming keeps those it has."""
    source = form.get("source", "try")
    made = context.service.corrections.add(
        visitor.caller,
        model_id,
        form.get("text"),
        form.all("label"),
        given=form.all("given"),
        source=cast(CorrectionSource, source),
    )
    return go_to(request, own_path(form.get("back") or f"/models/{made.model_id}"), correction=made)


@router.post("/corrections/{correction}/remove")
def take_back(
    request: Request,
    model_id: str,
    correction: str,
    context: CurrentContext,
    visitor: CurrentVisitor,
    form: CurrentForm,
) -> Response:
    """Takes a correction back."""
    context.service.corrections.remove(visitor.caller, model_id, correction)
    return go_to(request, own_path(form.get("back") or f"/models/{model_id}"))


def _version(form: Form) -> int:
    number = form.number("version")
    if number is None:
        raise RequestError("version is missing; expected the number of a version.")
    return number


def _share(given: str, what: str) -> float:
    try:
        return float(given)
    except ValueError:
        raise RequestError(f"{what} is {given[:40]!r}; expected a number from 0 to 1.") from None
