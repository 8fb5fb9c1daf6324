"""What the service hands out: plain records, free of database and HTTP."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from fewfit.data import Example, Kind
from fewfit.service.errors import ForbiddenError

T = TypeVar("T")

Scope = Literal["read", "classify", "train", "admin"]
DatasetType = Literal["single-label-classification-finetune-input", "multi-label-classification-finetune-input"]
ValidationStatus = Literal["queued", "processing", "validated", "failed"]
ModelStatus = Literal["queued", "finetuning", "deploying", "ready", "failed"]
JobKind = Literal["validate", "train", "export", "distil", "clean_up"]
ExportPrecision = Literal["fp32", "mixed", "int8"]
ExportStatus = Literal["queued", "running", "ready", "failed"]
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Truncate = Literal["START", "END", "NONE"]
Speed = Literal["full", "fast"]

# What the error of a training says that somebody stopped.
CANCELLED = "Cancelled."
SCOPES: tuple[Scope, ...] = ("read", "classify", "train", "admin")
DATASET_TYPES: dict[DatasetType, Kind] = {
    "single-label-classification-finetune-input": "single",
    "multi-label-classification-finetune-input": "multi",
}
# What the SDKs know besides: datasets of other services than classification.
OTHER_DATASET_TYPES = (
    *("embed-input", "embed-result", "cluster-result", "cluster-outliers", "reranker-finetune-input"),
    *("chat-finetune-input", "batch-chat-input", "batch-chat-v2-input", "batch-embed-v2-input"),
    "batch-openai-chat-input",
)


@dataclass(frozen=True)
class Caller:
    """Who asks: every method that touches data takes one, and sees only its organisation.

    `train` includes `read`, `admin` includes everything.
    """

    organization_id: str
    owner_id: str
    scopes: frozenset[Scope]
    key_id: str = ""

    def may(self, scope: Scope) -> bool:
        """Whether the caller has the scope, or one that includes it."""
        return scope in self.scopes or "admin" in self.scopes or (scope == "read" and "train" in self.scopes)

    def require(self, scope: Scope) -> None:
        """Raises ForbiddenError where the caller lacks the scope."""
        if not self.may(scope):
            has = ", ".join(sorted(self.scopes)) or "none"
            raise ForbiddenError(f"This API key lacks the scope '{scope}' (it has: {has}). Use a key that has it.")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list. `next_page_token` is empty on the last page; `total_size` counts all pages."""

    items: tuple[T, ...]
    next_page_token: str = ""
    total_size: int = 0

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


# Files ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredFile:
    """A whole file in the store, named by its content. `filename` is what its sender called it, if anything."""

    sha256: str
    size_bytes: int
    filename: str | None = None
    upload_id: str = ""


@dataclass(frozen=True)
class Download:
    """What a download link carries: no key is needed beside it, the token opens this file only."""

    id: str
    token: str


@dataclass(frozen=True)
class OpenedFile:
    """A file being downloaded. Iterate over `chunks` to the end, or close them. The size may not be known before."""

    filename: str
    media_type: str
    size_bytes: int | None
    chunks: Iterator[bytes]


# Datasets ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DatasetOptions:
    """What a user may say about an upload. A column that is None is found; `label_separator` is for CSV.

    With `find_kind` the data says whether texts have one label or several, whatever type was given.
    `min_eval_examples` is the fewest examples of an evaluation file; below the server's setting it warns.
    """

    keep_original_file: bool = False
    skip_malformed_input: bool = False
    csv_delimiter: str | None = None
    label_separator: str | None = None
    text_column: str | None = "text"
    label_column: str | None = "label"
    find_kind: bool = False
    min_eval_examples: int | None = None


@dataclass(frozen=True)
class DatasetPart:
    """One file of a validated dataset: "train" or "eval", as Avro. `samples` are rows as JSON text."""

    name: str
    index: int
    n_rows: int
    size_bytes: int
    samples: tuple[str, ...]
    download: Download
    original: Download | None = None


@dataclass(frozen=True)
class LabelMetric:
    """How often a label occurs in the training part, with a few of its texts."""

    label: str
    total_examples: int
    samples: tuple[str, ...]


@dataclass(frozen=True)
class DatasetMetrics:
    """What validation counted. Tokens are not counted where the base's tokenizer is not on the machine."""

    total_examples: int
    train_examples: int
    train_size_bytes: int
    eval_examples: int
    eval_size_bytes: int
    trainable_token_count: int | None
    labels: tuple[LabelMetric, ...]


@dataclass(frozen=True)
class Dataset:
    """An uploaded dataset. `error` is the first thing that stops it, `warnings` all else that was found."""

    id: str
    name: str
    type: DatasetType
    organization_id: str
    owner_id: str
    status: ValidationStatus
    created_at: datetime
    updated_at: datetime
    error: str | None = None
    warnings: tuple[str, ...] = ()
    size_bytes: int = 0
    required_fields: tuple[str, ...] = ("text", "label")
    preserve_fields: tuple[str, ...] = ()
    schema: str | None = None
    delimiter: str | None = None
    label_separator: str | None = None
    parts: tuple[DatasetPart, ...] = ()
    metrics: DatasetMetrics | None = None

    @property
    def kind(self) -> Kind:
        """Whether each text has one label or several."""
        return DATASET_TYPES[self.type]


@dataclass(frozen=True)
class PartOverview:
    """A part of a dataset in numbers: rows, and how often each label occurs."""

    n_rows: int
    labels: Mapping[str, int]


@dataclass(frozen=True)
class DatasetOverview:
    """What checking found out about a dataset, whether or not it can be trained on.

    `languages` are ISO 639-1 codes with their shares, `base` the kind of base that fits them: "english",
    "multilingual" or empty. `columns` says how the file was read: its format, columns and separators.
    """

    kind: Kind
    train: PartOverview
    evaluation: PartOverview | None
    languages: tuple[tuple[str, float], ...] = ()
    base: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Requirement:
    """Something that a dataset must have, and whether it does. One that is not `needed` is only advised."""

    text: str
    met: bool
    found: str = ""
    needed: bool = True


@dataclass(frozen=True)
class DatasetVersion:
    """A dataset after an edit; `note` says what was done. `overview` is None while it is being checked."""

    number: int
    note: str
    user_id: str
    created_at: datetime
    parent: int | None = None
    overview: DatasetOverview | None = None


@dataclass(frozen=True)
class RowPage:
    """Some rows of a part. `total` counts all that were asked for, `n_rows` all there are."""

    rows: tuple[Example, ...]
    total: int
    n_rows: int
    labels: Mapping[str, int]


# Models -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hyperparameters:
    """What a user may set of training; None is chosen from the data. They are given back as they were sent.

    A learning rate or a number of epochs that would ruin an encoder (those of chat models do) is brought
    within bounds; the version's `warnings` say so. `effort` (quick, balanced, thorough) is fewfit's own; None is the
    server's setting.
    """

    train_epochs: int | None = None
    learning_rate: float | None = None
    train_batch_size: int | None = None
    early_stopping_patience: int | None = None
    early_stopping_threshold: float | None = None
    lora_alpha: int | None = None
    lora_rank: int | None = None
    lora_target_modules: str | None = None
    effort: str | None = None


@dataclass(frozen=True)
class ModelVersion:
    """One training of a model. `metrics` are those on held-out texts, `base_metrics` of the untuned base.

    `made_from` is the version that this one is a copy of, with other thresholds or a fast tier; `note` is what a
    person wrote.
    """

    model_id: str
    number: int
    status: ModelStatus
    dataset_id: str
    promoted: bool
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None = None
    error: str | None = None
    labels: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    base_metrics: Mapping[str, float] = field(default_factory=dict)
    size_bytes: int = 0
    made_from: int | None = None
    note: str = ""

    @property
    def cancelled(self) -> bool:
        """Whether somebody stopped the training, which counts as failed but went not wrong."""
        return self.error == CANCELLED


@dataclass(frozen=True)
class Model:
    """A fine-tuned model: a stable id whose promoted version answers.

    `status` is that of the promoted version, else of the newest one. `base_name` is what the user asked
    for (may be empty), `base` what it stands on. `previous_version` is what a roll-back brings back;
    `review_since` is when it was allowed to keep production texts for review (None: it is not).
    """

    id: str
    name: str
    organization_id: str
    creator_id: str
    kind: Kind
    status: ModelStatus
    dataset_id: str
    base_name: str
    base: str
    hyperparameters: Hyperparameters
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None = None
    last_used_at: datetime | None = None
    error: str | None = None
    labels: tuple[str, ...] = ()
    promoted_version: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    base_metrics: Mapping[str, float] = field(default_factory=dict)
    previous_version: int | None = None
    review_since: datetime | None = None

    @property
    def cancelled(self) -> bool:
        """Whether what `status` is about was stopped by somebody."""
        return self.error == CANCELLED


@dataclass(frozen=True)
class ModelEvent:
    """A model's status changed. `user_id` is empty where the system did it."""

    status: ModelStatus
    created_at: datetime
    user_id: str = ""


@dataclass(frozen=True)
class StepMetrics:
    """Figures after a step: accuracy, precision, recall, f1 and cross_entropy on held-out texts."""

    step_number: int
    metrics: Mapping[str, float]
    created_at: datetime


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training job stands. `stage` is a phrase for people; `losses` are (step, loss) so far."""

    stage: str
    step: int
    total_steps: int
    elapsed_s: float
    remaining_s: float | None
    losses: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class BaseInfo:
    """A base that models can be trained on."""

    name: str
    summary: str
    context_length: int


@dataclass(frozen=True)
class Export:
    """A version as one ONNX file. `p99_difference` says how far its confidences are from the trained model's."""

    model_id: str
    version: int
    precision: ExportPrecision
    status: ExportStatus
    error: str | None = None
    size_bytes: int = 0
    p99_difference: float | None = None


# Classification ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelledText:
    """An example in a classify request."""

    text: str
    label: str


@dataclass(frozen=True)
class ClassifiedText:
    """The answer to one text: `predictions` with their confidences, surest first, and all confidences."""

    input: str
    predictions: tuple[str, ...]
    confidences: tuple[float, ...]
    labels: Mapping[str, float]


@dataclass(frozen=True)
class Classification:
    """The answers to a request, in the order of its texts."""

    kind: Kind
    texts: tuple[ClassifiedText, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tokens:
    """A text as its base reads it, without special tokens and prefix."""

    ids: tuple[int, ...]
    strings: tuple[str, ...]


# Keys and jobs ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Key:
    """An API key without its secret. `hint` is its first characters, to tell keys apart."""

    id: str
    name: str
    organization_id: str
    owner_id: str
    scopes: tuple[Scope, ...]
    hint: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True)
class NewKey:
    """A key that was just made: `secret` is shown once and stored nowhere."""

    key: Key
    secret: str


@dataclass(frozen=True)
class Job:
    """A piece of work in the queue. `subject_id` is the dataset or model that it is about."""

    id: str
    kind: JobKind
    state: JobState
    organization_id: str
    subject_id: str
    attempts: int
    max_attempts: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True)
class Health:
    """Whether the service can work: each check by name with an empty string, or what is wrong."""

    checks: Mapping[str, str]

    @property
    def ready(self) -> bool:
        """Whether every check passed."""
        return not any(self.checks.values())


@dataclass(frozen=True)
class Counts:
    """Figures for monitoring: jobs by (kind, state), models in memory, workers alive."""

    jobs: Mapping[tuple[str, str], int]
    loaded_models: int
    workers: int
    details: Mapping[str, Any] = field(default_factory=dict)
