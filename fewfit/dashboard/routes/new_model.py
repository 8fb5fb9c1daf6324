"""New model, in three steps: data, settings, training. Each has an address, so any of them can be left and reopened."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from fewfit.dashboard.context import Context, CurrentContext
from fewfit.dashboard.dataset_views import dataset_name, dataset_view, twin
from fewfit.dashboard.errors import error_page
from fewfit.dashboard.forms import CurrentForm, OldFormError
from fewfit.dashboard.pages import go_to, show, wants_json
from fewfit.dashboard.templating import link
from fewfit.dashboard.uploading import UploadForm, receive_dataset
from fewfit.dashboard.visitors import CurrentVisitor, Visitor
from fewfit.errors import InputError
from fewfit.service.datasets.previews import LARGEST_PREVIEW_BYTES, preview
from fewfit.service.models.hyperparameters import EFFORTS
from fewfit.service.records import DatasetOverview, Hyperparameters
from fewfit.web.errors import status_of

router = APIRouter(prefix="/models")

_EFFORT_WORDS = {
    "quick": "A first impression, in the shortest time",
    "balanced": "A good model in reasonable time",
    "thorough": "The best that the data give, in several times as long",
}


@router.get("/new")
def choose(request: Request, context: CurrentContext, visitor: CurrentVisitor) -> Response:
    """Step 1: a dataset that is there, a file, or pasted rows."""
    return _choose(request, context, visitor, UploadForm())


@router.post("/new")
async def upload(request: Request, context: CurrentContext, visitor: CurrentVisitor) -> Response:
    """Takes the file or the rows, and goes on with what was found in them."""
    form = UploadForm()
    try:
        dataset = await receive_dataset(request, context, visitor, form)
    except OldFormError:
        if wants_json(request):
            raise
        problem = "You have signed in again since this page came. Check the data once more; a file must be chosen anew."
        return _choose(request, context, visitor, form, problem, status=403)
    except InputError as error:
        if wants_json(request):
            return error_page(request, status_of(error), str(error))
        return _choose(request, context, visitor, form, str(error), status=400)
    return go_to(request, f"/models/new/{dataset.id}", id=dataset.id)


@router.post("/new/check")
def check(request: Request, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm) -> Response:
    """Which requirements rows would meet, while they are still being typed."""
    visitor.caller.require("read")
    content = form.get("rows").encode("utf-8", "replace")[: LARGEST_PREVIEW_BYTES + 1]
    found = preview(content, context.settings, filename=form.get("filename"))
    view = {
        "requirements": found.requirements,
        "overview": found.overview,
        "findings": [finding.to_dict() for finding in found.report],
    }
    return show(request, "check.html", view)


@router.get("/new/{dataset_id}")
def data(request: Request, dataset_id: str, context: CurrentContext, visitor: CurrentVisitor) -> Response:
    """Step 1, with data: what is in them, what is wrong with them, and how to repair it."""
    view = twin(dataset_view(context, visitor.caller, dataset_id))
    return show(request, "new_data.html", view | {"back": request.url.path})


@router.get("/new/{dataset_id}/settings")
def settings(
    request: Request,
    dataset_id: str,
    context: CurrentContext,
    visitor: CurrentVisitor,
    name: Annotated[str, Query(max_length=400)] = "",
    base: str = "",
    effort: str = "",
) -> Response:
    """Step 2: name, kind, base, effort."""
    return _settings(request, context, visitor, dataset_id, {"name": name, "base": base, "effort": effort}, "")


@router.post("/new/{dataset_id}/settings")
def train(
    request: Request, dataset_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Queues the training; where the kind was changed, the data are checked again first."""
    service, caller = context.service, visitor.caller
    given = {name: form.get(name) for name in ("name", "base", "effort")}
    unlabelled = [line for line in form.get("unlabelled").splitlines() if line.strip()]
    here = f"/models/new/{dataset_id}/settings"
    try:
        kind = form.get("kind")
        if kind and kind != service.editing.kind(caller, dataset_id):
            if unlabelled:
                raise InputError(
                    "The data are checked again for another kind of labels, and the texts without labels would be lost "
                    "on the way. Change the kind first, without them."
                )
            service.editing.edit(caller, dataset_id, {"op": "kind", "kind": kind})
            return go_to(request, link(here, **given))
        model = service.models.create(
            caller,
            name=given["name"],
            dataset_id=dataset_id,
            base_name=given["base"],
            hyperparameters=Hyperparameters(effort=given["effort"] or None),
            unlabelled=unlabelled,
        )
    except InputError as error:
        if wants_json(request):
            return error_page(request, status_of(error), str(error))
        given |= {"kind": form.get("kind"), "unlabelled": form.get("unlabelled")}
        return _settings(request, context, visitor, dataset_id, given, str(error))
    return go_to(request, f"/models/{model.id}/training", id=model.id)


@router.get("/{model_id}/training")
def training(request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor) -> Response:
    """Step 3: how far the newest training is, and how it went."""
    models, caller = context.service.models, visitor.caller
    model = models.get(caller, model_id)
    newest = models.versions(caller, model_id)[0]
    view = {
        "model": model,
        "dataset_name": dataset_name(context, caller, newest.dataset_id),
        "version": newest,
        "progress": models.progress(caller, model_id),
        "busy": newest.status not in ("ready", "failed"),
    }
    return show(request, "training.html", view)


@router.post("/{model_id}/cancel")
def cancel(
    request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Stops the newest training."""
    del form
    context.service.models.cancel(visitor.caller, model_id)
    return go_to(request, f"/models/{model_id}/training")


def _choose(
    request: Request, context: Context, visitor: Visitor, form: UploadForm, problem: str = "", *, status: int = 200
) -> Response:
    settings = context.settings
    view = {
        "datasets": [one for one in context.service.datasets.list(visitor.caller) if one.status != "failed"],
        "name": form.name,
        "pasted": form.pasted,
        "problem": problem,
        "limits": {
            "examples": settings.min_examples,
            "examples_per_label": settings.min_examples_per_label,
            "bytes": settings.max_dataset_bytes,
        },
    }
    return show(request, "new_choose.html", view, status=status)


def _settings(
    request: Request, context: Context, visitor: Visitor, dataset_id: str, given: dict[str, str], problem: str
) -> Response:
    seen = dataset_view(context, visitor.caller, dataset_id)
    bases = context.service.models.bases()
    overview = seen.version.overview
    view: dict[str, Any] = {
        "dataset": seen.dataset,
        "busy": seen.busy,
        "ready": seen.ready,
        "overview": overview,
        "name": given.get("name") or seen.dataset.name,
        "kind": given.get("kind") or (overview.kind if overview else seen.dataset.kind),
        "found_kind": overview.kind if overview else seen.dataset.kind,
        "bases": bases,
        "fitting_base": fitting_base(overview, [base.name for base in bases]),
        "base": given.get("base") or fitting_base(overview, [base.name for base in bases]),
        "efforts": [(effort, _EFFORT_WORDS[effort]) for effort in EFFORTS],
        "effort": given.get("effort") or context.settings.effort,
        "unlabelled": given.get("unlabelled", ""),
        "problem": problem,
    }
    return show(request, "new_settings.html", view, status=400 if problem else 200)


def fitting_base(overview: DatasetOverview | None, names: list[str]) -> str:
    """The base that fits the languages of the data, else the server's default; one of its own is the owner's choice."""
    ours = ("english", "english-small", "multilingual")
    return overview.base if overview and overview.base in names and names[0] in ours else names[0]
