"""Datasets on the wire."""

from typing import Literal

from pydantic import Field

from fewfit.api.wire.common import Timestamp, Wire

ValidationStatus = Literal["unknown", "queued", "processing", "failed", "validated", "skipped"]


class LabelMetric(Wire):
    """How many examples a label has, and a few of them."""

    label: str
    total_examples: int
    samples: list[str]


class ClassifyDataMetrics(Wire):
    """Counts by label."""

    label_metrics: list[LabelMetric]


class FinetuneDatasetMetrics(Wire):
    """Counts over the dataset. Sizes in bytes."""

    trainable_token_count: int | None = None
    total_examples: int
    train_examples: int
    train_size_bytes: int
    eval_examples: int
    eval_size_bytes: int
    classify_data_metrics: ClassifyDataMetrics


class DatasetMetrics(Wire):
    """What validation counted."""

    finetune_dataset_metrics: FinetuneDatasetMetrics


class DatasetPart(Wire):
    """One file of the dataset. `url` answers with Avro and needs no key: its token is part of it."""

    id: str
    name: str
    url: str
    index: int
    size_bytes: int | None = None
    num_rows: int | None = None
    original_url: str | None = None
    samples: list[str] | None = None


class ParseInfo(Wire):
    """How a CSV file was read."""

    separator: str | None = None
    delimiter: str | None = None


class Dataset(Wire):
    """An uploaded dataset and what validation found. `schema` is Avro schema JSON text, not an object."""

    id: str
    name: str
    created_at: Timestamp
    updated_at: Timestamp
    dataset_type: str
    validation_status: ValidationStatus
    validation_error: str | None = None
    validation_warnings: list[str] | None = None
    schema_: str | None = Field(None, serialization_alias="schema")
    required_fields: list[str] | None = None
    preserve_fields: list[str] | None = None
    dataset_parts: list[DatasetPart] | None = None
    parse_info: ParseInfo | None = None
    metrics: DatasetMetrics | None = None


class DatasetCreated(Wire):
    """The id of the new dataset; validation goes on in the background."""

    id: str


class DatasetAnswer(Wire):
    """One dataset."""

    dataset: Dataset


class DatasetList(Wire):
    """Datasets, newest first."""

    datasets: list[Dataset]


class Usage(Wire):
    """What the organisation's datasets take, in bytes."""

    organization_usage: int
