"""Exports on the wire."""

from typing import Literal

from pydantic import Field

from fewfit.api.wire.common import Count, Request, Wire

Precision = Literal["fp32", "mixed", "int8"]


class CreateExport(Request):
    """Which version to write as ONNX, and how fine."""

    version: Count = Field(None, description="The version that answers unless told otherwise.")
    precision: Precision | None = Field(
        None, description="fp32 (default): standard operators only. int8: a quarter of the size. mixed: between them."
    )


class Export(Wire):
    """A version as one ONNX file, with weights, labels, thresholds and tokenizer inside."""

    version: int
    precision: Precision
    status: Literal["queued", "running", "ready", "failed"]
    error: str | None = None
    size_bytes: int | None = None
    p99_difference: float | None = Field(
        None, description="How far its confidences are from the trained model's, 99th percentile."
    )


class ExportAnswer(Wire):
    """One export."""

    export: Export


class ExportList(Wire):
    """The exports of a model, newest version first."""

    exports: list[Export]
