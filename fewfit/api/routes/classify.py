"""Classify texts, with a fine-tuned model or with examples."""

import re
from collections import Counter
from uuid import UUID, uuid4

from fastapi import APIRouter, Response
from pydantic_core import to_json

from fewfit.api.authentication import CurrentCaller
from fewfit.api.context import CurrentContext
from fewfit.api.wire import classify as wire
from fewfit.api.wire.common import ApiVersion, BilledUnits, Meta
from fewfit.service import records
from fewfit.service.errors import NotFoundError
from fewfit.settings import Settings
from fewfit.web.errors import RequestError

router = APIRouter(prefix="/v1", tags=["classify"])

# Names of bases that programs written for Cohere send along with examples.
_FOREIGN_BASE = re.compile(
    r"(embed|command|rerank|c4ai|base|light|default|small|medium|large|xlarge)\b.*", re.IGNORECASE
)
_MIN_PER_LABEL = 2


@router.post("/classify", response_model=wire.ClassifyAnswer)
def classify(
    body: wire.ClassifyRequest, caller: CurrentCaller, context: CurrentContext, response: Response
) -> Response:
    """Classifies up to 96 texts with a fine-tuned model (`{id}-ft`), or by at least two examples a label."""
    caller.require("classify")  # before anything is said about models
    service = context.service
    _check_inputs(body.inputs, context.settings)
    truncate: records.Truncate = body.truncate or "END"
    warnings: list[str] = []
    if body.preset:
        warnings.append("The parameter preset is not used: presets of the Cohere playground do not exist here.")
    if body.model and service.is_model(caller, body.model):
        if body.examples:
            warnings.append("The examples are not used: the fine-tuned model has learnt from its own.")
        found = service.classify(caller, body.inputs, model=body.model, truncate=truncate, thresholds=body.thresholds)
        mode = "model"
    else:
        _check_base(body.model or "", [base.name for base in service.models.bases()])
        if body.thresholds is not None:
            raise RequestError("thresholds are for multi-label models; with examples every text gets one label.")
        examples = _examples(body, context.settings)
        found = service.classify_examples(caller, body.inputs, examples, base_name=body.model or "", truncate=truncate)
        mode = "examples"
    context.metrics.texts.labels(mode).inc(len(body.inputs))
    context.metrics.texts_per_request.observe(len(body.inputs))
    answer = _answer(found, [*warnings, *found.warnings])
    headers = {"X-API-Warning": warnings[0]} if body.preset else None
    return Response(to_json(answer, exclude_none=True), media_type="application/json", headers=headers)


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
    if not model or model in bases or _FOREIGN_BASE.fullmatch(model):
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


def _answer(found: records.Classification, warnings: list[str]) -> wire.ClassifyAnswer:
    meta = Meta(
        api_version=ApiVersion(), billed_units=BilledUnits(classifications=len(found.texts)), warnings=warnings or None
    )
    return wire.ClassifyAnswer.model_construct(
        id=str(uuid4()), classifications=[_item(text, found.kind == "single") for text in found.texts], meta=meta
    )


def _item(text: records.ClassifiedText, single: bool) -> wire.Classification:
    # Built without validation: a request has up to 96 texts with hundreds of labels each.
    return wire.Classification.model_construct(
        id=str(uuid4()),
        input=text.input,
        prediction=text.predictions[0] if single else None,
        predictions=list(text.predictions),
        confidence=text.confidences[0] if single else None,
        confidences=list(text.confidences),
        labels={
            label: wire.LabelConfidence.model_construct(confidence=confidence)
            for label, confidence in text.labels.items()
        },
        classification_type="single-label" if single else "multi-label",
    )
