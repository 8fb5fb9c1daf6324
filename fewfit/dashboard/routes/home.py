"""Home, the list of models, and who is signed in."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fewfit.dashboard.context import CurrentContext
from fewfit.dashboard.dataset_views import dataset_name
from fewfit.dashboard.forms import CurrentForm
from fewfit.dashboard.lists import listing
from fewfit.dashboard.pages import go_to, show, wants_json
from fewfit.dashboard.uploading import make_dataset, store_text
from fewfit.dashboard.visitors import CurrentVisitor
from fewfit.samples import about_sample, sample_file, sample_names

router = APIRouter()

_NEWEST = 8
_MOST_MODELS = 1000
_MODEL_COLUMNS = {
    "name": ("Name", lambda model: model.name.casefold()),
    "status": ("Status", lambda model: model.status),
    "accuracy": ("Accuracy", lambda model: model.metrics.get("accuracy", -1.0)),
    "created": ("Created", lambda model: model.created_at),
    "used": ("Last used", lambda model: model.last_used_at.timestamp() if model.last_used_at else 0.0),
}


@router.get("/")
def home(request: Request, context: CurrentContext, visitor: CurrentVisitor) -> Response:
    """The newest models and datasets, and for a first visit sample sets to click through."""
    caller = visitor.caller
    if not caller.may("read") and caller.may("classify") and not wants_json(request):
        return go_to(request, "/playground")
    models = context.service.models.list(caller, page_size=_NEWEST)
    datasets = context.service.datasets.list(caller, limit=_NEWEST)
    view = {
        "models": list(models),
        "n_models": models.total_size,
        "datasets": datasets,
        "dataset_names": {one: dataset_name(context, caller, one) for one in {model.dataset_id for model in models}},
        "samples": [about_sample(name) for name in sample_names()],
    }
    return show(request, "home.html", view)


@router.post("/samples/{name}")
def take_sample(
    request: Request, name: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Makes a dataset of a sample set, its test part to evaluate on."""
    del form
    about = about_sample(name)
    stored = {}
    for role, part in (("data", "train"), ("eval_data", "test")):
        file = sample_file(name, part)
        text = file.read_text(encoding="utf-8")
        stored[role] = store_text(context, visitor.caller, text, f"{name}-{part}.{file.name.rpartition('.')[2]}")
    dataset = make_dataset(context, visitor.caller, about.title, stored)
    return go_to(request, f"/models/new/{dataset.id}", id=dataset.id)


@router.get("/models")
def models(
    request: Request, context: CurrentContext, visitor: CurrentVisitor, q: str = "", sort: str = "", page: int = 1
) -> Response:
    """All models, searched and sorted."""
    found = list(context.service.models.list(visitor.caller, page_size=_MOST_MODELS))
    shown = listing(
        found, query=q, sort=sort, page=page, columns=_MODEL_COLUMNS, words=lambda model: f"{model.name} {model.id}"
    )
    return show(request, "models.html", {"listing": shown})


@router.get("/account")
def account(request: Request, visitor: CurrentVisitor) -> Response:
    """Who is signed in, and the way out."""
    caller = visitor.caller
    view = {
        "owner": caller.owner_id,
        "organization": caller.organization_id,
        "scopes": sorted(caller.scopes),
        "key_id": caller.key_id,
    }
    return show(request, "account.html", view)
