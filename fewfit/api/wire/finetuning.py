"""Fine-tuned models on the wire."""

from typing import Literal

from pydantic import Field

from fewfit.api.wire.common import Count, Number, Request, Timestamp, WholeNumber, Wire

BaseType = Literal[
    "BASE_TYPE_UNSPECIFIED",
    "BASE_TYPE_GENERATIVE",
    "BASE_TYPE_CLASSIFICATION",
    "BASE_TYPE_RERANK",
    "BASE_TYPE_CHAT",
]
Status = Literal[
    "STATUS_UNSPECIFIED",
    "STATUS_FINETUNING",
    "STATUS_DEPLOYING_API",
    "STATUS_READY",
    "STATUS_FAILED",
    "STATUS_DELETED",
    "STATUS_TEMPORARILY_OFFLINE",
    "STATUS_PAUSED",
    "STATUS_QUEUED",
]
LoraTargetModules = Literal[
    "LORA_TARGET_MODULES_UNSPECIFIED",
    "LORA_TARGET_MODULES_QV",
    "LORA_TARGET_MODULES_QKVO",
    "LORA_TARGET_MODULES_QKVO_FFN",
]

_UNLABELLED = "Texts such as the model will be asked, learnt from, too; single-label models only (fewfit's own)."


class Hyperparameters(Request):
    """Knobs of the training, all optional. What was given is echoed; what has no meaning here is not used."""

    early_stopping_patience: WholeNumber | None = None
    early_stopping_threshold: Number | None = None
    train_batch_size: WholeNumber | None = None
    train_epochs: WholeNumber | None = None
    learning_rate: Number | None = None
    lora_alpha: WholeNumber | None = None
    lora_rank: WholeNumber | None = None
    lora_target_modules: LoraTargetModules | None = None


class BaseModelRequest(Request):
    """Which kind of model, and the base it starts from. `version` and `strategy` are accepted and not used."""

    base_type: BaseType | None = None
    name: str | None = None
    version: str | None = None
    strategy: str | None = None


class SettingsRequest(Request):
    """How a model is made. `multi_label` (it follows the dataset) and `wandb` are accepted and not used."""

    base_model: BaseModelRequest | None = None
    dataset_id: str | None = None
    hyperparameters: Hyperparameters | None = None
    unlabelled_texts: list[str] | None = Field(None, description=_UNLABELLED)


class CreateFinetunedModel(Request):
    """A model to train."""

    name: str | None = None
    settings: SettingsRequest | None = None


class UpdateFinetunedModel(Request):
    """Changes to a model: its name. The rest is accepted where it says what already is."""

    name: str | None = None
    settings: SettingsRequest | None = None
    status: str | None = None


class BaseModel(Wire):
    """The base that a model stands on."""

    base_type: BaseType = "BASE_TYPE_CLASSIFICATION"
    name: str
    version: str = "1"


class Settings(Wire):
    """How a model was made. `hyperparameters` is what the user gave."""

    base_model: BaseModel
    dataset_id: str
    hyperparameters: Hyperparameters | None = None
    multi_label: bool


class FinetunedModel(Wire):
    """A fine-tuned model. Classify with `{id}-ft` when its status is STATUS_READY; `error` says why it failed."""

    id: str
    name: str
    creator_id: str
    organization_id: str
    settings: Settings
    status: Status
    created_at: Timestamp
    updated_at: Timestamp
    completed_at: Timestamp | None = None
    last_used: Timestamp | None = None
    error: str | None = None


class FinetunedModelAnswer(Wire):
    """One fine-tuned model."""

    finetuned_model: FinetunedModel


class FinetunedModelList(Wire):
    """A page of fine-tuned models; `next_page_token` is empty on the last one."""

    finetuned_models: list[FinetunedModel]
    next_page_token: str
    total_size: int


class Event(Wire):
    """A model came to a new status. `user_id` is left out where nobody asked for it."""

    user_id: str | None = None
    status: Status
    created_at: Timestamp


class EventList(Wire):
    """A page of events; `next_page_token` is empty on the last one."""

    events: list[Event]
    next_page_token: str
    total_size: int


class StepMetrics(Wire):
    """Metrics on the held-out data after a step of the training."""

    created_at: Timestamp
    step_number: int
    metrics: dict[str, float] = Field(description="accuracy, precision, recall, f1, cross_entropy")


class StepMetricsList(Wire):
    """A page of step metrics, highest step first; `next_page_token` is empty on the last one."""

    step_metrics: list[StepMetrics]
    next_page_token: str


class CreateVersion(Request):
    """Another training of a model. `promote` lets it answer as soon as it is ready."""

    dataset_id: str | None = None
    hyperparameters: Hyperparameters | None = None
    unlabelled_texts: list[str] | None = Field(
        None, description=f"{_UNLABELLED} Those of the newest version if left out, none if empty."
    )
    promote: bool | None = None


class CreateDistillation(Request):
    """Unlabelled texts to teach a fast tier on. `promote` lets the copy answer as soon as it is ready."""

    texts: list[str] = Field(
        description="300 different ones at least, such as the model will be asked.",
        json_schema_extra={"minItems": 300, "maxItems": 50000},
    )
    max_disagreement: float | None = Field(
        None, description="The largest share of all answers that may change, held with 95 % confidence; 0.01."
    )
    version: Count = Field(None, description="The version that answers unless told otherwise.")
    promote: bool | None = None


class Version(Wire):
    """One training of a model. `metrics` are those on held-out texts, `base_metrics` those of the untuned base."""

    number: int
    status: Status
    dataset_id: str
    promoted: bool
    created_at: Timestamp
    updated_at: Timestamp
    completed_at: Timestamp | None = None
    error: str | None = None
    labels: list[str]
    warnings: list[str]
    metrics: dict[str, float]
    base_metrics: dict[str, float]


class VersionAnswer(Wire):
    """One version."""

    version: Version


class VersionList(Wire):
    """All versions, newest first."""

    versions: list[Version]
