"""The public interface of the service, for what stands on it: HTTP routes, dashboard, command line.

Every method that takes a `Caller` checks its scope (ForbiddenError) and sees only its organisation: what
belongs to another one is NotFoundError. Wrong values are InputError. All methods block, but for those that
are coroutines or end in `_at_once`; call them from a thread where an event loop runs. They are safe to call
from several threads at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from fewfit.data import Kind, Report
from fewfit.data.writing import WriteFormat
from fewfit.service.interface_in_use import (
    ComparingLike,
    CorrectionsLike,
    ReviewLike,
    ThresholdsLike,
    TryingLike,
    UsageLike,
)
from fewfit.service.records import (
    BaseInfo,
    Caller,
    Classification,
    Counts,
    Dataset,
    DatasetOptions,
    DatasetType,
    DatasetVersion,
    Export,
    ExportPrecision,
    Health,
    Hyperparameters,
    Job,
    JobKind,
    Key,
    LabelledText,
    Model,
    ModelEvent,
    ModelVersion,
    NewKey,
    OpenedFile,
    Page,
    RowPage,
    Scope,
    Speed,
    StepMetrics,
    StoredFile,
    Tokens,
    TrainingProgress,
    Truncate,
    ValidationStatus,
)


class UploadLike(Protocol):
    """A file being received: write chunks as they come; memory stays flat."""

    @property
    def size_bytes(self) -> int:
        """How much was written."""
        ...

    def write(self, chunk: bytes) -> None:
        """Adds bytes. Raises LimitError beyond the largest size of a dataset."""
        ...

    def finish(self) -> StoredFile:
        """Makes the file whole and durable. It is deleted again unless a dataset takes it within an hour."""
        ...

    def abort(self) -> None:
        """Drops what was received. Does nothing after `finish`."""
        ...


class DatasetsLike(Protocol):
    """Datasets of labelled texts."""

    def upload(self, caller: Caller, filename: str | None = None) -> UploadLike:
        """Starts receiving a file (scope train). Raises LimitError where the organisation's space is used up."""
        ...

    def create(
        self,
        caller: Caller,
        *,
        name: str,
        dataset_type: DatasetType | str,
        data: StoredFile,
        eval_data: StoredFile | None = None,
        options: DatasetOptions | None = None,
    ) -> Dataset:
        """Keeps uploaded files as a dataset and queues its validation (scope train)."""
        ...

    def get(self, caller: Caller, dataset_id: str) -> Dataset:
        """A dataset (scope read)."""
        ...

    def list(
        self,
        caller: Caller,
        *,
        dataset_type: str | None = None,
        status: ValidationStatus | str | None = None,
        before: datetime | None = None,
        after: datetime | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> tuple[Dataset, ...]:
        """Datasets, newest first (scope read); `before` and `after` are exclusive."""
        ...

    def report(self, caller: Caller, dataset_id: str) -> Report:
        """Everything that validation found (scope read); empty while it has not run."""
        ...

    def usage_bytes(self, caller: Caller) -> int:
        """What the organisation's datasets take (scope read)."""
        ...

    def delete(self, caller: Caller, dataset_id: str) -> None:
        """Deletes a dataset (scope train). Jobs that use it keep their own copy; models stay."""
        ...

    def open_download(self, download_id: str, token: str) -> OpenedFile:
        """A part or original by what its link carries; no caller. Raises NotFoundError for a wrong token."""
        ...


class EditingLike(Protocol):
    """The rows of datasets and what is done to them."""

    def rows(
        self,
        caller: Caller,
        dataset_id: str,
        *,
        part: str = "train",
        version: int | None = None,
        query: str = "",
        label: str | None = None,
        numbers: frozenset[int] | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> RowPage:
        """Rows of a version (scope read): those with all words of `query`, with a label, with these numbers."""
        ...

    def kind(self, caller: Caller, dataset_id: str) -> Kind:
        """Whether the newest version has one label a text or several (scope read)."""
        ...

    def versions(self, caller: Caller, dataset_id: str) -> tuple[DatasetVersion, ...]:
        """The versions of a dataset (scope read), newest first."""
        ...

    def edit(self, caller: Caller, dataset_id: str, edit: Mapping[str, Any]) -> DatasetVersion:
        """Makes a new version by an edit (see `fewfit.service.datasets.edits`) and has it checked (scope train)."""
        ...

    def restore(self, caller: Caller, dataset_id: str, number: int) -> DatasetVersion:
        """Makes a new version with the rows of an earlier one (scope train)."""
        ...

    def export(
        self,
        caller: Caller,
        dataset_id: str,
        file_format: WriteFormat,
        *,
        part: str = "train",
        version: int | None = None,
    ) -> Iterator[str]:
        """The rows of a part as CSV or JSONL lines (scope read)."""
        ...


class ModelsLike(Protocol):
    """Fine-tuned models and their versions. Ids are accepted with and without `-ft`."""

    def create(
        self,
        caller: Caller,
        *,
        name: str,
        dataset_id: str,
        base_name: str = "",
        hyperparameters: Hyperparameters | None = None,
        unlabelled: Sequence[str] = (),
    ) -> Model:
        """Makes a model and queues its training (scope train). Raises BusyError when too much is queued."""
        ...

    def retrain(
        self,
        caller: Caller,
        model_id: str,
        *,
        dataset_id: str | None = None,
        hyperparameters: Hyperparameters | None = None,
        unlabelled: Sequence[str] | None = None,
        promote: bool = False,
        wait: bool = False,
        note: str = "",
    ) -> ModelVersion:
        """Queues a new version (scope train), on the same dataset and unlabelled texts unless told otherwise.

        With `wait` the dataset may still be being validated.
        """
        ...

    def get(self, caller: Caller, model_id: str) -> Model:
        """A model (scope read)."""
        ...

    def list(self, caller: Caller, *, page_size: int = 0, page_token: str = "", order_by: str = "") -> Page[Model]:
        """Models (scope read), newest first unless `order_by` is "created_at"; page_size 0 is 50."""
        ...

    def rename(self, caller: Caller, model_id: str, name: str) -> Model:
        """Gives a model another name (scope train)."""
        ...

    def delete(self, caller: Caller, model_id: str) -> None:
        """Deletes a model with its versions, events and figures, and cancels its jobs (scope train)."""
        ...

    def events(
        self, caller: Caller, model_id: str, *, page_size: int = 0, page_token: str = "", order_by: str = ""
    ) -> Page[ModelEvent]:
        """What happened to a model (scope read), newest first unless `order_by` is "created_at"."""
        ...

    def step_metrics(
        self, caller: Caller, model_id: str, *, page_size: int = 0, page_token: str = ""
    ) -> Page[StepMetrics]:
        """Figures on held-out texts (scope read), highest step first."""
        ...

    def progress(self, caller: Caller, model_id: str) -> TrainingProgress | None:
        """Where training stands (scope read); None while queued."""
        ...

    def report(self, caller: Caller, model_id: str, version: int | None = None) -> Mapping[str, object]:
        """The quality report of a version (scope read), as JSON types; the promoted one by default."""
        ...

    def versions(self, caller: Caller, model_id: str) -> tuple[ModelVersion, ...]:
        """All versions (scope read), newest first."""
        ...

    def promote(self, caller: Caller, model_id: str, version: int) -> Model:
        """Lets a ready version answer (scope train)."""
        ...

    def rollback(self, caller: Caller, model_id: str) -> Model:
        """Lets the version that answered before answer again (scope train)."""
        ...

    def cancel(self, caller: Caller, model_id: str) -> ModelVersion:
        """Stops the training of the newest version (scope train). Raises InputError where it is over already."""
        ...

    def bases(self) -> tuple[BaseInfo, ...]:
        """The bases that models can be trained on, the default one first."""
        ...


class KeysLike(Protocol):
    """API keys."""

    def authenticate(self, secret: str) -> Caller:
        """Who a key belongs to. Raises UnauthorizedError, or RateLimitError with `retry_after_s`."""
        ...

    def authenticate_at_once(self, secret: str) -> Caller | None:
        """Like `authenticate`, from memory and without blocking; None where `authenticate` must be asked."""
        ...

    def create(
        self,
        caller: Caller,
        *,
        name: str,
        scopes: Sequence[Scope | str] = ("read", "classify", "train"),
        owner_id: str | None = None,
        expires_at: datetime | None = None,
    ) -> NewKey:
        """Makes a key of the caller's organisation (scope admin); its secret is shown once."""
        ...

    def list(self, caller: Caller) -> tuple[Key, ...]:
        """The organisation's keys (scope admin), newest first."""
        ...

    def revoke(self, caller: Caller, key_id: str) -> None:
        """Ends a key at once (scope admin)."""
        ...


class SessionsLike(Protocol):
    """People who are signed in with a key."""

    def start(self, secret: str) -> str:
        """A new session's token for whoever has this key. Raises UnauthorizedError, or RateLimitError."""
        ...

    def caller(self, token: str, *, counts: bool = False) -> Caller:
        """Whose session it is. Raises UnauthorizedError where it has ended; `counts` counts it as a request."""
        ...

    def end(self, token: str) -> None:
        """Ends a session; does nothing where it has ended already."""
        ...


class DownloadsLike(Protocol):
    """Versions as zip files."""

    def artifact(self, caller: Caller, model_id: str, version: int | None = None) -> OpenedFile:
        """The folder of a version as a zip file (scope read)."""
        ...


class DistillationsLike(Protocol):
    """Copies of versions with a fast tier."""

    def create(
        self,
        caller: Caller,
        model_id: str,
        texts: Sequence[str],
        *,
        max_disagreement: float = 0.01,
        version: int | None = None,
        promote: bool = False,
    ) -> ModelVersion:
        """Queues a copy with a fast tier (scope train), taught on unlabelled texts such as the model will be asked."""
        ...


class ExportsLike(Protocol):
    """Versions as ONNX files that a worker makes."""

    def create(
        self, caller: Caller, model_id: str, *, precision: ExportPrecision | str = "fp32", version: int | None = None
    ) -> Export:
        """Queues an export (scope train); one that was made, or is on its way, is given back as it is."""
        ...

    def list(self, caller: Caller, model_id: str) -> tuple[Export, ...]:
        """The exports of all versions (scope read), newest version first."""
        ...

    def get(
        self, caller: Caller, model_id: str, *, precision: ExportPrecision | str, version: int | None = None
    ) -> Export:
        """One export (scope read). Raises NotFoundError where it was never asked for."""
        ...

    def open(
        self, caller: Caller, model_id: str, *, precision: ExportPrecision | str, version: int | None = None
    ) -> OpenedFile:
        """The file (scope read). Raises NotFoundError, or NotReadyError while it is being made."""
        ...


class JobsLike(Protocol):
    """The queue."""

    def list(self, caller: Caller, *, kind: JobKind | None = None, limit: int = 100) -> tuple[Job, ...]:
        """The organisation's jobs (scope read), newest first."""
        ...


class ServiceLike(Protocol):
    """Everything: `Service.open(settings)` gives one, `close()` ends it; it is a context manager too."""

    @property
    def datasets(self) -> DatasetsLike: ...
    @property
    def editing(self) -> EditingLike: ...
    @property
    def models(self) -> ModelsLike: ...
    @property
    def keys(self) -> KeysLike: ...
    @property
    def sessions(self) -> SessionsLike: ...
    @property
    def jobs(self) -> JobsLike: ...
    @property
    def corrections(self) -> CorrectionsLike: ...
    @property
    def review(self) -> ReviewLike: ...
    @property
    def thresholds(self) -> ThresholdsLike: ...
    @property
    def comparing(self) -> ComparingLike: ...
    @property
    def downloads(self) -> DownloadsLike: ...
    @property
    def distillations(self) -> DistillationsLike: ...
    @property
    def exports(self) -> ExportsLike: ...
    @property
    def trying(self) -> TryingLike: ...
    @property
    def usage(self) -> UsageLike: ...

    def first_key(self) -> str | None:
        """On the first start, the secret of a new admin key of the organisation "default"; later None."""
        ...

    def classify(
        self,
        caller: Caller,
        inputs: Sequence[str],
        *,
        model: str,
        truncate: Truncate = "END",
        thresholds: float | Mapping[str, float] | None = None,
    ) -> Classification:
        """Classifies with a fine-tuned model (scope classify). Raises NotFoundError, NotReadyError, InputError."""
        ...

    async def classify_async(
        self,
        caller: Caller,
        inputs: Sequence[str],
        *,
        model: str,
        truncate: Truncate = "END",
        thresholds: float | Mapping[str, float] | None = None,
        speed: Speed = "full",
    ) -> Classification:
        """Like `classify`, for coroutines: requests wait for the engine without a thread each.

        With speed="fast" the model's fast tier answers what it is sure of; a model without one answers in full.
        """
        ...

    def classify_examples(
        self,
        caller: Caller,
        inputs: Sequence[str],
        examples: Sequence[LabelledText],
        *,
        base_name: str = "",
        truncate: Truncate = "END",
    ) -> Classification:
        """Classifies by the examples in the request, without training (scope classify)."""
        ...

    def is_model(self, caller: Caller, model: str) -> bool:
        """Whether `model` names a fine-tuned model of the caller's organisation, ready or not."""
        ...

    def is_ready_at_once(self, caller: Caller, model: str) -> bool:
        """Whether `model` is known, without asking the store, to be a fine-tuned model that is ready."""
        ...

    def tokenize(self, caller: Caller, text: str, model: str) -> Tokens:
        """A text as a model or base reads it (any scope). Raises NotFoundError for an unknown model."""
        ...

    def detokenize(self, caller: Caller, token_ids: Sequence[int], model: str) -> str:
        """The text of token ids (any scope). Raises NotFoundError, or InputError for ids out of range."""
        ...

    def health(self) -> Health:
        """Checks database, files, worker and classification."""
        ...

    def counts(self) -> Counts:
        """Figures for monitoring."""
        ...

    def close(self) -> None:
        """Lets go of everything."""
        ...
