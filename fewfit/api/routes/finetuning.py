"""Fine-tuned models: train, watch, rename, delete; versions."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from fewfit.api.authentication import CurrentCaller
from fewfit.api.base_names import means_a_base
from fewfit.api.context import CurrentContext
from fewfit.api.wire import finetuning as wire
from fewfit.api.wire.common import Count, Empty
from fewfit.service import records
from fewfit.web.errors import RequestError

router = APIRouter(prefix="/v1/finetuning/finetuned-models", tags=["fine-tuned models"])

_STATUS: dict[records.ModelStatus, wire.Status] = {
    "queued": "STATUS_QUEUED",
    "finetuning": "STATUS_FINETUNING",
    "deploying": "STATUS_DEPLOYING_API",
    "ready": "STATUS_READY",
    "failed": "STATUS_FAILED",
}
PageSize = Annotated[Count, Query(description="0: 50; more than 1,000 are 1,000.")]


@router.post("", response_model=wire.FinetunedModelAnswer, response_model_exclude_none=True)
def create_finetuned_model(
    body: wire.CreateFinetunedModel, caller: CurrentCaller, context: CurrentContext, response: Response
) -> wire.FinetunedModelAnswer:
    """Queues the training of a model. Ask for it until it is STATUS_READY, then classify with `{id}-ft`.

    The header X-API-Warning says so where the base's name is unknown, and the default base is trained.
    """
    settings = body.settings
    if settings is None or settings.base_model is None or not settings.dataset_id:
        missing = (
            "settings" if settings is None else "settings.dataset_id" if settings.base_model else "settings.base_model"
        )
        raise RequestError(f"invalid request: {missing} is required")
    _check_base_type(settings.base_model.base_type)
    base_name = settings.base_model.name or ""
    created = context.service.models.create(
        caller,
        name=_name(body.name),
        dataset_id=settings.dataset_id,
        base_name=base_name,
        hyperparameters=_hyperparameters(settings.hyperparameters),
        unlabelled=settings.unlabelled_texts or (),
    )
    bases = [base.name for base in context.service.models.bases()]
    if not means_a_base(base_name.strip(), bases):
        response.headers["X-API-Warning"] = (
            f"There is no base {base_name!a}; {bases[0]} is trained. The bases are: {', '.join(bases)}."
        )
    return _answer(created)


@router.get("", response_model=wire.FinetunedModelList, response_model_exclude_none=True)
def list_finetuned_models(
    caller: CurrentCaller, context: CurrentContext, page_size: PageSize = None, page_token: str = "", order_by: str = ""
) -> wire.FinetunedModelList:
    """Fine-tuned models, oldest first unless `order_by` is `created_at desc`."""
    page = context.service.models.list(
        caller, page_size=page_size or 0, page_token=page_token, order_by=order_by or "created_at"
    )
    return wire.FinetunedModelList(
        finetuned_models=[_model(one) for one in page], next_page_token=page.next_page_token, total_size=page.total_size
    )


@router.get("/{id}", response_model=wire.FinetunedModelAnswer, response_model_exclude_none=True)
def get_finetuned_model(id: str, caller: CurrentCaller, context: CurrentContext) -> wire.FinetunedModelAnswer:
    """A fine-tuned model."""
    return _answer(context.service.models.get(caller, id))


@router.patch("/{id}", response_model=wire.FinetunedModelAnswer, response_model_exclude_none=True)
def update_finetuned_model(
    id: str, body: wire.UpdateFinetunedModel, caller: CurrentCaller, context: CurrentContext
) -> wire.FinetunedModelAnswer:
    """Gives a model another name. Settings may be sent along as they are; they cannot be changed."""
    caller.require("train")  # before anything is said about the model
    models = context.service.models
    model = models.get(caller, id)
    settings = body.settings
    if settings is not None:
        if settings.dataset_id and settings.dataset_id != model.dataset_id:
            raise RequestError(
                f"settings.dataset_id cannot be changed from '{model.dataset_id}' to '{settings.dataset_id[:60]}'. "
                "Train another model, or a new version of this one."
            )
        if settings.base_model is not None and settings.base_model.base_type is not None:
            _check_base_type(settings.base_model.base_type)
    return _answer(model if body.name is None else models.rename(caller, id, _name(body.name)))


@router.delete("/{id}", response_model=Empty)
def delete_finetuned_model(id: str, caller: CurrentCaller, context: CurrentContext) -> Empty:
    """Deletes a model for good, and cancels its training where that is under way."""
    context.service.models.delete(caller, id)
    return Empty()


@router.get("/{id}/events", response_model=wire.EventList, response_model_exclude_none=True)
def list_events(
    id: str,
    caller: CurrentCaller,
    context: CurrentContext,
    page_size: PageSize = None,
    page_token: str = "",
    order_by: str = "",
) -> wire.EventList:
    """What happened to a model, newest first unless `order_by` says otherwise."""
    page = context.service.models.events(caller, id, page_size=page_size or 0, page_token=page_token, order_by=order_by)
    events = [
        wire.Event(user_id=one.user_id or None, status=_STATUS[one.status], created_at=one.created_at) for one in page
    ]
    return wire.EventList(events=events, next_page_token=page.next_page_token, total_size=page.total_size)


@router.get("/{id}/training-step-metrics", response_model=wire.StepMetricsList)
def list_training_step_metrics(
    id: str, caller: CurrentCaller, context: CurrentContext, page_size: PageSize = None, page_token: str = ""
) -> wire.StepMetricsList:
    """How good the model was as training went on, highest step first."""
    page = context.service.models.step_metrics(caller, id, page_size=page_size or 0, page_token=page_token)
    steps = [
        wire.StepMetrics(created_at=one.created_at, step_number=one.step_number, metrics=dict(one.metrics))
        for one in page
    ]
    return wire.StepMetricsList(step_metrics=steps, next_page_token=page.next_page_token)


# fewfit's own: versions and the quality report ---------------------------------------------------


@router.get("/{id}/report")
def get_report(id: str, caller: CurrentCaller, context: CurrentContext, version: Count = None) -> Mapping[str, Any]:
    """The quality report of a version, the promoted one unless told otherwise (fewfit's own)."""
    return {"report": context.service.models.report(caller, id, version)}


@router.get("/{id}/versions", response_model=wire.VersionList, response_model_exclude_none=True)
def list_versions(id: str, caller: CurrentCaller, context: CurrentContext) -> wire.VersionList:
    """All trainings of a model, newest first (fewfit's own)."""
    return wire.VersionList(versions=[_version(one) for one in context.service.models.versions(caller, id)])


@router.post("/{id}/versions", response_model=wire.VersionAnswer, response_model_exclude_none=True)
def create_version(
    id: str, body: wire.CreateVersion, caller: CurrentCaller, context: CurrentContext
) -> wire.VersionAnswer:
    """Queues another training; the version that answers now goes on until another is promoted (fewfit's own)."""
    version = context.service.models.retrain(
        caller,
        id,
        dataset_id=body.dataset_id,
        hyperparameters=_hyperparameters(body.hyperparameters),
        unlabelled=body.unlabelled_texts,
        promote=bool(body.promote),
    )
    return wire.VersionAnswer(version=_version(version))


@router.post("/{id}/distillations", response_model=wire.VersionAnswer, response_model_exclude_none=True)
def create_distillation(
    id: str, body: wire.CreateDistillation, caller: CurrentCaller, context: CurrentContext
) -> wire.VersionAnswer:
    """Queues a copy of a version with a fast tier; classify with `speed: fast` then uses it (fewfit's own)."""
    version = context.service.distillations.create(
        caller,
        id,
        body.texts,
        max_disagreement=0.01 if body.max_disagreement is None else body.max_disagreement,
        version=body.version,
        promote=bool(body.promote),
    )
    return wire.VersionAnswer(version=_version(version))


@router.post(
    "/{id}/versions/{number}/promote", response_model=wire.FinetunedModelAnswer, response_model_exclude_none=True
)
def promote_version(id: str, number: int, caller: CurrentCaller, context: CurrentContext) -> wire.FinetunedModelAnswer:
    """Lets a version answer (fewfit's own)."""
    return _answer(context.service.models.promote(caller, id, number))


@router.post("/{id}/rollback", response_model=wire.FinetunedModelAnswer, response_model_exclude_none=True)
def rollback(id: str, caller: CurrentCaller, context: CurrentContext) -> wire.FinetunedModelAnswer:
    """Lets the version that answered before answer again (fewfit's own)."""
    return _answer(context.service.models.rollback(caller, id))


def _name(name: str | None) -> str:
    if name is None or not name.strip():
        raise RequestError("invalid request: name is required; expected a name for the model.")
    return name


def _check_base_type(base_type: wire.BaseType | None) -> None:
    if base_type != "BASE_TYPE_CLASSIFICATION":
        raise RequestError(
            f"invalid request: settings.base_model.base_type is {base_type or 'missing'}; only classification models "
            "can be fine-tuned here: expected BASE_TYPE_CLASSIFICATION."
        )


def _hyperparameters(given: wire.Hyperparameters | None) -> records.Hyperparameters | None:
    if given is None:
        return None
    for name, value, at_least in (
        ("train_epochs", given.train_epochs, 1),
        ("train_batch_size", given.train_batch_size, 1),
        ("early_stopping_patience", given.early_stopping_patience, 0),
    ):
        if value is not None and value < at_least:
            raise RequestError(f"invalid request: {name} is {value}; expected at least {at_least}.")
    if given.learning_rate is not None and not 0 < given.learning_rate < float("inf"):
        raise RequestError(f"invalid request: learning_rate is {given.learning_rate}; expected a number above 0.")
    return records.Hyperparameters(**given.model_dump())


def _answer(model: records.Model) -> wire.FinetunedModelAnswer:
    return wire.FinetunedModelAnswer(finetuned_model=_model(model))


def _model(model: records.Model) -> wire.FinetunedModel:
    # They were checked when they were given; what an older fewfit took is told, too.
    given = wire.Hyperparameters.model_construct(
        **{name: getattr(model.hyperparameters, name) for name in wire.Hyperparameters.model_fields}
    )
    settings = wire.Settings(
        base_model=wire.BaseModel(name=model.base_name or "default"),
        dataset_id=model.dataset_id,
        hyperparameters=given if given.model_dump(exclude_none=True) else None,
        multi_label=model.kind == "multi",
    )
    return wire.FinetunedModel(
        id=model.id,
        name=model.name,
        creator_id=model.creator_id,
        organization_id=model.organization_id,
        settings=settings,
        status=_STATUS[model.status],
        created_at=model.created_at,
        updated_at=model.updated_at,
        completed_at=model.completed_at,
        last_used=model.last_used_at,
        error=model.error,
    )


def _version(version: records.ModelVersion) -> wire.Version:
    return wire.Version(
        number=version.number,
        status=_STATUS[version.status],
        dataset_id=version.dataset_id,
        promoted=version.promoted,
        created_at=version.created_at,
        updated_at=version.updated_at,
        completed_at=version.completed_at,
        error=version.error,
        labels=list(version.labels),
        warnings=list(version.warnings),
        metrics=dict(version.metrics),
        base_metrics=dict(version.base_metrics),
    )
