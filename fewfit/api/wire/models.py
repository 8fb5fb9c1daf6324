"""Keys, models and tokens on the wire."""

from pydantic import Field

from fewfit.api.wire.common import Meta, Request, WholeNumber, Wire


class KeyCheck(Wire):
    """The key is good. A bad one is answered with 401."""

    valid: bool = True
    organization_id: str
    owner_id: str


class Model(Wire):
    """A model that can be used now; `name` is what goes into `model`."""

    name: str
    is_deprecated: bool = False
    endpoints: list[str]
    finetuned: bool
    context_length: int
    tokenizer_url: str | None = None
    default_endpoints: list[str] = Field(default_factory=list)
    features: list[str] = Field(default_factory=list)


class ModelList(Wire):
    """A page of models; `next_page_token` is left out on the last one."""

    models: list[Model]
    next_page_token: str | None = None


class TokenizeRequest(Request):
    """A text to split into tokens."""

    text: str = Field(json_schema_extra={"minLength": 1, "maxLength": 65536})
    model: str


class TokenizeAnswer(Wire):
    """Token ids and the pieces of text they stand for, without special tokens."""

    tokens: list[int]
    token_strings: list[str]
    meta: Meta = Field(default_factory=Meta)


class DetokenizeRequest(Request):
    """Token ids to turn back into a text."""

    tokens: list[WholeNumber] = Field(json_schema_extra={"minItems": 1, "maxItems": 65536})
    model: str


class DetokenizeAnswer(Wire):
    """The text."""

    text: str
    meta: Meta = Field(default_factory=Meta)
