"""Review queue: production texts that a model was least sure of, kept with consent, labelled with the keyboard."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fewfit.dashboard.context import CurrentContext
from fewfit.dashboard.dataset_views import dataset_name
from fewfit.dashboard.forms import CurrentForm
from fewfit.dashboard.pages import go_to, show
from fewfit.dashboard.visitors import CurrentVisitor
from fewfit.web.errors import RequestError

router = APIRouter()

_MODELS_SHOWN = 200


@router.get("/review")
def review_page(request: Request, context: CurrentContext, visitor: CurrentVisitor) -> Response:
    """Every model with its consent and how many texts wait."""
    caller, service = visitor.caller, context.service
    counts = service.review.counts(caller)
    models = list(service.models.list(caller, page_size=_MODELS_SHOWN))
    models.sort(key=lambda one: (-counts.get(one.id, 0), one.review_since is None))
    view = {"models": models, "counts": counts, "may_train": caller.may("train")}
    return show(request, "review.html", view)


@router.get("/models/{model_id}/review")
def queue_page(request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor) -> Response:
    """The next text of a model's queue."""
    caller, service = visitor.caller, context.service
    model = service.models.get(caller, model_id)
    queue = service.review.queue(caller, model.id, limit=1000) if caller.may("train") else ()
    view = {
        "model": model,
        "dataset_name": dataset_name(context, caller, model.dataset_id),
        "queue": queue[:1],
        "n_waiting": len(queue),
        "n_corrections": service.corrections.n_waiting(caller, model.id),
        "may_train": caller.may("train"),
    }
    return show(request, "review_queue.html", view)


@router.post("/models/{model_id}/review/consent")
def consent(
    request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Gives or takes back the consent to keep texts."""
    allowed = form.get("allowed")
    if allowed not in ("yes", "no"):
        raise RequestError(f"allowed is {allowed[:20]!r}; expected yes or no.")
    model = context.service.review.allow(visitor.caller, model_id, allowed == "yes")
    return go_to(request, f"/models/{model.id}/review", model=model)


@router.post("/models/{model_id}/review/{text}")
def label(
    request: Request, model_id: str, text: int, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Keeps the labels of a text as a correction, or skips it; then the next text."""
    caller, service = visitor.caller, context.service
    if form.get("skip"):
        service.review.skip(caller, model_id, text)
    else:
        found = service.review.get(caller, model_id, text)
        service.corrections.add(caller, model_id, found.text, form.all("label"), given=found.given, source="review")
        service.review.done(caller, model_id, text)
    return go_to(request, f"/models/{model_id}/review")
