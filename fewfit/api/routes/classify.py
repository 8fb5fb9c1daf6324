"""Classify texts, with a fine-tuned model or with examples."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from pydantic_core import to_json
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fewfit.api.authentication import CurrentCaller, caller_of
from fewfit.api.base_names import means_a_base
from fewfit.api.bodies import read_json, unless_gone
from fewfit.api.context import Context, CurrentContext
from fewfit.api.errors import error_answer
from fewfit.api.wire import classify as wire
from fewfit.service import records
from fewfit.service.errors import NotFoundError
from fewfit.service.interface import ServiceLike
from fewfit.settings import Settings
from fewfit.web.errors import RequestError
from fewfit.web.ids import new_id

# More confidences than this are written as JSON in a thread, so that the event loop goes on.
_INLINE_CONFIDENCES = 4096


router = APIRouter(prefix="/v1", tags=["classify"])

_MIN_PER_LABEL = 2


@router.post("/classify", response_model=wire.ClassifyAnswer)
async def classify(body: wire.ClassifyRequest, caller: CurrentCaller, context: CurrentContext) -> Response:
    """Classifies up to 96 texts with a fine-tuned model (`{id}-ft`), or by at least two examples a label."""
    caller.require("classify")  # before anything is said about models
    _check_inputs(body.inputs, context.settings)
    warnings: list[str] = []
    if body.preset:
        warnings.append("The parameter preset is not used: presets of the Cohere playground do not exist here.")
    if body.model and await _is_model(context.service, caller, body.model):
        if body.examples:
            warnings.append("The examples are not used: the fine-tuned model has learnt from its own.")
        mode = "model"
        found = await context.service.classify_async(
            caller,
            body.inputs,
            model=body.model,
            truncate=body.truncate or "END",
            thresholds=body.thresholds,
            speed=body.speed or "full",
        )
    else:
        mode = "examples"
        found = await to_thread.run_sync(_by_examples, body, caller, context)
    context.metrics.texts.labels(mode).inc(len(body.inputs))
    context.metrics.texts_per_request.observe(len(body.inputs))
    warnings += found.warnings
    large = len(found.texts) * len(found.texts[0].labels) > _INLINE_CONFIDENCES
    content = await to_thread.run_sync(_content, found, warnings) if large else _content(found, warnings)
    headers = {"X-API-Warning": warnings[0]} if body.preset else None
    return Response(content, media_type="application/json", headers=headers)


class ClassifyAtOnce:
    """Answers /v1/classify itself and hands other requests to the application, which is made with `context`.

    The way through FastAPI to `classify`, which is there for the description and for other methods, took a sixth of
    the event loop's time for a single text.
    """

    _route = Route("/v1/classify", classify, methods=["POST"])

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._route.path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route  # as FastAPI notes it for logs and metrics
        try:
            body = await read_json(receive, wire.ClassifyRequest)
            answer = await unless_gone(receive, classify(body, caller_of(scope), self._context))
        except Exception as error:  # noqa: BLE001 - as the application answers errors
            answer = await error_answer(Request(scope), error)
        await answer(scope, receive, send)


async def _is_model(service: ServiceLike, caller: records.Caller, model: str) -> bool:
    return service.is_ready_at_once(caller, model) or await to_thread.run_sync(service.is_model, caller, model)


def _by_examples(body: wire.ClassifyRequest, caller: records.Caller, context: Context) -> records.Classification:
    service = context.service
    base = body.model or ""
    _check_base(base, [one.name for one in service.models.bases()])
    if body.thresholds is not None:
        raise RequestError("thresholds are for multi-label models; with examples every text gets one label.")
    if body.speed == "fast":
        raise RequestError("speed 'fast' is for fine-tuned models with a fast tier; leave it out with examples.")
    examples = _examples(body, context.settings)
    return service.classify_examples(caller, body.inputs, examples, base_name=base, truncate=body.truncate or "END")


def _check_inputs(inputs: list[str], settings: Settings) -> None:
    if not inputs:
        raise RequestError("invalid request: inputs is empty; expected at least one text.")
    if len(inputs) > settings.max_inputs:
        raise RequestError(
            f"invalid request: at most {settings.max_inputs} inputs are allowed, received {len(inputs)}."
        )
    for index, text in enumerate(inputs):
        if not text:
            raise RequestError(f"invalid request: the input at index {index} is an empty string.")


def _check_base(model: str, bases: list[str]) -> None:
    """Raises NotFoundError for a model that is neither there nor a base's name."""
    if means_a_base(model, bases):
        return
    try:
        UUID(model.removesuffix("-ft"))
    except ValueError:
        hint = f"or a base: {', '.join(bases)}"
    else:
        hint = "as it is listed under /v1/models"
    raise NotFoundError(f"model '{model[:80]}' not found; expected the id of a fine-tuned model with -ft, {hint}.")


def _examples(body: wire.ClassifyRequest, settings: Settings) -> list[records.LabelledText]:
    given = body.examples or []
    if not given:
        raise RequestError(
            "invalid request: no examples and no fine-tuned model. Give `model` as '{id}-ft', or `examples` with at "
            "least two labels and two texts each."
        )
    if len(given) > settings.max_examples:
        raise RequestError(
            f"invalid request: at most {settings.max_examples} examples are allowed, received {len(given)}."
        )
    for index, example in enumerate(given):
        for name in ("text", "label"):
            if not getattr(example, name).strip():
                raise RequestError(f"invalid request: the example at index {index} has an empty {name}.")
    counts = Counter(example.label for example in given)
    if len(counts) < 2:
        raise RequestError(
            f"invalid request: all {len(given)} examples have the label '{given[0].label}'; expected two or more."
        )
    few = [f"'{label}'" for label, count in counts.items() if count < _MIN_PER_LABEL]
    if few:
        raise RequestError(
            f"invalid request: each label needs at least {_MIN_PER_LABEL} examples; too few for {', '.join(few)}."
        )
    return [records.LabelledText(example.text, example.label) for example in given]


def _content(found: records.Classification, warnings: Sequence[str]) -> bytes:
    """The answer as JSON, of the shape that `wire.ClassifyAnswer` describes.

    Plain values, not models: a request has up to 96 texts with hundreds of labels each, and at one text a
    request the models alone took a tenth of the time to answer.
    """
    meta: dict[str, object] = {
        "api_version": {"version": "1"},
        "billed_units": {"classifications": len(found.texts)},
    }
    if warnings:
        meta["warnings"] = warnings
    single = found.kind == "single"
    return to_json({"id": new_id(), "classifications": [_item(text, single) for text in found.texts], "meta": meta})


def _item(text: records.ClassifiedText, single: bool) -> dict[str, object]:
    item: dict[str, object] = {
        "id": new_id(),
        "input": text.input,
        "predictions": text.predictions,
        "confidences": text.confidences,
        "labels": {label: {"confidence": confidence} for label, confidence in text.labels.items()},
        "classification_type": "single-label" if single else "multi-label",
    }
    if single:
        item["prediction"], item["confidence"] = text.predictions[0], text.confidences[0]
    return item
