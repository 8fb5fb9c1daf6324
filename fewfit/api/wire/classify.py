"""Classifying on the wire."""

from typing import Literal

from pydantic import Field

from fewfit.api.wire.common import Meta, Request, Wire

Truncate = Literal["NONE", "START", "END"]


class ClassifyExample(Request):
    """A labelled text for answers without training."""

    text: str
    label: str


class ClassifyRequest(Request):
    """Texts to classify, with a fine-tuned model or with examples."""

    inputs: list[str] = Field(
        description="1 to 96 texts, none of them empty.", json_schema_extra={"minItems": 1, "maxItems": 96}
    )
    model: str | None = Field(None, description="`{id}-ft` of a fine-tuned model, or the name of a base with examples.")
    examples: list[ClassifyExample] | None = Field(
        None,
        description="At least two labels with two texts each; not used where the model is a fine-tuned one.",
        json_schema_extra={"maxItems": 2500},
    )
    preset: str | None = Field(None, description="Accepted and not used.", deprecated=False)
    truncate: Truncate | None = Field(
        None, description="What to drop of a text that is too long: its END (default) or START; NONE answers 400."
    )
    thresholds: float | dict[str, float] | None = Field(
        None,
        description="fewfit's own, multi-label models: confidence from which a label is given, for all or by label.",
    )
    speed: Literal["full", "fast"] | None = Field(
        None,
        description="fewfit's own: with fast, the version's fast tier answers what it is sure of, where it has one.",
    )


class LabelConfidence(Wire):
    """How sure the model is of a label, 0 to 1."""

    confidence: float


class Classification(Wire):
    """One text's answer. `prediction` and `confidence` are there for single-label models only."""

    id: str
    input: str
    prediction: str | None = None
    predictions: list[str]
    confidence: float | None = None
    confidences: list[float]
    labels: dict[str, LabelConfidence]
    classification_type: Literal["single-label", "multi-label"]


class ClassifyAnswer(Wire):
    """Answers in the order of the inputs."""

    id: str
    classifications: list[Classification]
    meta: Meta
