"""Keys as the SDKs check them, the models that can be used, and their tokens."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from fewfit.api.authentication import CurrentCaller
from fewfit.api.context import Context, CurrentContext
from fewfit.api.wire import models as wire
from fewfit.api.wire.common import Count, Flag
from fewfit.service import records
from fewfit.service.errors import NotFoundError
from fewfit.web.errors import RequestError

router = APIRouter(prefix="/v1", tags=["models"])

Endpoint = Literal["chat", "embed", "classify", "summarize", "rerank", "rate", "generate"]
_MAX_TEXT = 65_536
_MAX_PAGE = 1000
_LONGEST = 512


@router.post("/check-api-key", response_model=wire.KeyCheck)
def check_api_key(caller: CurrentCaller) -> wire.KeyCheck:
    """Whether the key is good, and whose it is."""
    return wire.KeyCheck(organization_id=caller.organization_id, owner_id=caller.owner_id)


@router.get("/models", response_model=wire.ModelList)
def list_models(
    caller: CurrentCaller,
    context: CurrentContext,
    page_size: Annotated[Count, Query(description=f"1 to {_MAX_PAGE}; 20 unless told otherwise.")] = None,
    page_token: str = "",
    endpoint: Annotated[str, Query(description="Only models for this endpoint, such as classify.")] = "",
    default_only: Flag = False,
) -> JSONResponse:
    """The models that can be used now: bases (with examples) and fine-tuned models that are ready."""
    if endpoint and endpoint not in get_args(Endpoint):
        raise RequestError(
            f"invalid request: endpoint is '{endpoint[:40]}'; expected one of {', '.join(get_args(Endpoint))}."
        )
    if default_only and not endpoint:
        raise RequestError("invalid request: default_only works together with endpoint only; add endpoint=classify.")
    if page_size is not None and not 1 <= page_size <= _MAX_PAGE:
        raise RequestError(f"invalid request: page_size is {page_size}; expected 1 to {_MAX_PAGE}.")
    caller.require("read")
    start = _start(page_token)
    found = list(_usable(caller, context)) if endpoint in ("", "classify") else []
    if default_only:
        found = [model for model in found if model.default_endpoints]
    end = start + (page_size or 20)
    answer: dict[str, object] = {"models": [model.model_dump() for model in found[start:end]]}
    if end < len(found):
        answer["next_page_token"] = str(end)
    return JSONResponse(answer)


@router.get("/models/{model:path}", response_model=wire.Model)
def get_model(model: str, caller: CurrentCaller, context: CurrentContext) -> JSONResponse:
    """One model: a base, or a fine-tuned model that is ready."""
    for base in _bases(context):
        if base.name == model:
            return JSONResponse(base.model_dump())
    found = context.service.models.get(caller, model)
    if found.status != "ready":
        raise NotFoundError(f"model '{model[:80]}' cannot be used: its status is {found.status}.")
    return JSONResponse(_finetuned(found, _lengths(context)).model_dump())


@router.post("/tokenize", response_model=wire.TokenizeAnswer, response_model_exclude_none=True)
def tokenize(body: wire.TokenizeRequest, caller: CurrentCaller, context: CurrentContext) -> wire.TokenizeAnswer:
    """A text as the model reads it, without special tokens."""
    if not 1 <= len(body.text) <= _MAX_TEXT:
        raise RequestError(f"invalid request: text has {len(body.text)} characters; expected 1 to {_MAX_TEXT}.")
    found = context.service.tokenize(caller, body.text, body.model)
    return wire.TokenizeAnswer(tokens=list(found.ids), token_strings=list(found.strings))


@router.post("/detokenize", response_model=wire.DetokenizeAnswer, response_model_exclude_none=True)
def detokenize(body: wire.DetokenizeRequest, caller: CurrentCaller, context: CurrentContext) -> wire.DetokenizeAnswer:
    """The text of token ids."""
    if not 1 <= len(body.tokens) <= _MAX_TEXT:
        raise RequestError(f"invalid request: there are {len(body.tokens)} tokens; expected 1 to {_MAX_TEXT}.")
    return wire.DetokenizeAnswer(text=context.service.detokenize(caller, body.tokens, body.model))


def _start(page_token: str) -> int:
    if not page_token:
        return 0
    if not page_token.isascii() or not page_token.isdigit() or len(page_token) > 9:
        raise RequestError("invalid request: page_token is not one that an earlier page gave.")
    return int(page_token)


def _usable(caller: records.Caller, context: Context) -> Iterator[wire.Model]:
    yield from _bases(context)
    lengths = _lengths(context)
    token = ""
    while True:
        page = context.service.models.list(caller, page_size=_MAX_PAGE, page_token=token)
        yield from (_finetuned(model, lengths) for model in page if model.status == "ready")
        token = page.next_page_token
        if not token:
            return


def _bases(context: Context) -> Iterator[wire.Model]:
    for number, base in enumerate(context.service.models.bases()):  # the default one comes first
        yield wire.Model(
            name=base.name,
            endpoints=["classify"],
            finetuned=False,
            context_length=base.context_length,
            default_endpoints=["classify"] if number == 0 else [],
        )


def _lengths(context: Context) -> dict[str, int]:
    """How many tokens of a text are read, by the base's name."""
    return {base.name: base.context_length for base in context.service.models.bases()}


def _finetuned(model: records.Model, lengths: Mapping[str, int]) -> wire.Model:
    return wire.Model(
        name=f"{model.id}-ft", endpoints=["classify"], finetuned=True, context_length=lengths.get(model.base, _LONGEST)
    )
