"""The tables of the store. A change here needs a migration beside it; a test compares the two."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fewfit.errors import InputError

# SQLite gives out row ids by itself only for a column declared INTEGER.
_RowId = BigInteger().with_variant(Integer, "sqlite")


# The largest row id that a database holds; no row has it.
LARGEST_ID = 2**63 - 1


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


def moment(value: datetime, name: str) -> datetime:
    """A moment that a caller gave, in UTC. Raises InputError where it has no zone, or is none there."""
    if value.tzinfo is None:
        raise InputError(f"{name} is {value.isoformat()}, without a time zone; give one, such as Z.")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InputError(f"{name} is {value.isoformat()}, which is no moment in UTC.") from None


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware in Python, UTC in the database (SQLite keeps no zones)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses a moment without a zone, which would mean something else on every machine."""
        if value is None:
            return None
        assert value.tzinfo is not None, "moments carry their zone"
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Puts the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """What all tables share."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, list[Any]: JSON, str: Text}  # noqa: RUF012


class ServerState(Base):
    """What a server must remember that belongs to nobody, such as the secret that signs download links."""

    __tablename__ = "server_state"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str]


class ApiKeyRow(Base):
    """An API key; of its secret only the SHA-256 is kept."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str]
    organization_id: Mapped[str] = mapped_column(String(64), index=True)
    owner_id: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[Any]]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class SessionRow(Base):
    """A person signed in with a key; of the session's token only the SHA-256 is kept."""

    __tablename__ = "sessions"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class FileRow(Base):
    """A file in the file store, by its content. It is deleted when nothing refers to it."""

    __tablename__ = "files"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


class FileReferenceRow(Base):
    """Who needs a file, and as what. An upload, dataset, job and version each hold their own references.

    So a queued job keeps its copy of a dataset when the dataset is deleted, without copying a byte.
    """

    __tablename__ = "file_references"
    __table_args__ = (UniqueConstraint("owner_kind", "owner_id", "role"),)

    id: Mapped[int] = mapped_column(_RowId, primary_key=True)
    owner_kind: Mapped[str] = mapped_column(String(16))
    owner_id: Mapped[str] = mapped_column(String(96))
    role: Mapped[str] = mapped_column(String(64))
    organization_id: Mapped[str] = mapped_column(String(64), index=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("files.sha256"), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    filename: Mapped[str | None]
    created_at: Mapped[datetime]


class DatasetRow(Base):
    """A dataset and what validation made of it."""

    __tablename__ = "datasets"
    __table_args__ = (Index(None, "organization_id", "created_at"),)

    id: Mapped[str] = mapped_column(String(96), primary_key=True)
    name: Mapped[str]
    type: Mapped[str] = mapped_column(String(64))
    organization_id: Mapped[str] = mapped_column(String(64))
    owner_id: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))
    error: Mapped[str | None]
    warnings: Mapped[list[Any]]
    options: Mapped[dict[str, Any]]
    parts: Mapped[list[Any]]
    metrics: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    schema: Mapped[str | None]
    delimiter: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class DatasetVersionRow(Base):
    """A dataset after an edit: its parent's rows, changed. Version 1 is what was uploaded, with `reading`."""

    __tablename__ = "dataset_versions"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parent: Mapped[int | None]
    edit: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    note: Mapped[str]
    user_id: Mapped[str] = mapped_column(String(64))
    reading: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    overview: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]


class ModelRow(Base):
    """A model: a stable id over its versions."""

    __tablename__ = "models"
    __table_args__ = (Index(None, "organization_id", "created_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str]
    organization_id: Mapped[str] = mapped_column(String(64))
    creator_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(8))
    base_name: Mapped[str]
    base: Mapped[str]
    hyperparameters: Mapped[dict[str, Any]]
    promoted_version: Mapped[int | None]
    previous_version: Mapped[int | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    # Since when, and by whom, production texts may be kept for review; None: they may not.
    review_since: Mapped[datetime | None]
    review_by: Mapped[str | None] = mapped_column(String(64))


class VersionRow(Base):
    """One training of a model, or a copy of one with other thresholds (`made_from` is the number of that one)."""

    __tablename__ = "versions"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(16))
    dataset_id: Mapped[str] = mapped_column(String(96))
    hyperparameters: Mapped[dict[str, Any]]
    promote: Mapped[bool]
    made_from: Mapped[int | None]
    note: Mapped[str] = mapped_column(Text, server_default="")
    error: Mapped[str | None]
    labels: Mapped[list[Any]]
    warnings: Mapped[list[Any]]
    metrics: Mapped[dict[str, Any]]
    base_metrics: Mapped[dict[str, Any]]
    report: Mapped[dict[str, Any]]
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]


class ModelEventRow(Base):
    """A change of a model's status."""

    __tablename__ = "model_events"

    id: Mapped[int] = mapped_column(_RowId, primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), index=True)
    version: Mapped[int]
    status: Mapped[str] = mapped_column(String(16))
    user_id: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]


class StepMetricsRow(Base):
    """Figures after a training step."""

    __tablename__ = "step_metrics"
    __table_args__ = (
        ForeignKeyConstraint(["model_id", "version"], ["versions.model_id", "versions.number"], ondelete="CASCADE"),
        UniqueConstraint("model_id", "version", "step_number"),
    )

    id: Mapped[int] = mapped_column(_RowId, primary_key=True)
    model_id: Mapped[str] = mapped_column(String(36))
    version: Mapped[int]
    step_number: Mapped[int]
    metrics: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class CorrectionRow(Base):
    """A text with the labels that a person gave it: right ones where a model or its data were wrong.

    It waits until it is put into a dataset ("waiting", then "applied"); "confirmed" says that the data were right.
    """

    __tablename__ = "corrections"
    __table_args__ = (UniqueConstraint("model_id", "digest"), Index(None, "organization_id", "created_at"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    organization_id: Mapped[str] = mapped_column(String(64))
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    text: Mapped[str]
    digest: Mapped[str] = mapped_column(String(64))
    labels: Mapped[list[Any]]
    given: Mapped[list[Any]]
    source: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    dataset_id: Mapped[str | None] = mapped_column(String(96))
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]


class ReviewRow(Base):
    """A production text kept for review with its owner's consent. `text` is empty once it was skipped.

    `lottery` is a random number that the text drew: those with the largest ones are a fair sample of all.
    """

    __tablename__ = "review_texts"
    __table_args__ = (UniqueConstraint("model_id", "digest"),)

    id: Mapped[int] = mapped_column(_RowId, primary_key=True)
    organization_id: Mapped[str] = mapped_column(String(64), index=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    version: Mapped[int]
    text: Mapped[str]
    digest: Mapped[str] = mapped_column(String(64))
    given: Mapped[list[Any]]
    confidences: Mapped[dict[str, Any]]
    doubt: Mapped[float]
    lottery: Mapped[float]
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]


class UsageRow(Base):
    """What a model answered in one hour. Without texts; it outlives the model. `model_id` is empty for examples."""

    __tablename__ = "usage"
    __table_args__ = (UniqueConstraint("organization_id", "model_id", "hour"), Index(None, "hour"))

    id: Mapped[int] = mapped_column(_RowId, primary_key=True)
    organization_id: Mapped[str] = mapped_column(String(64))
    model_id: Mapped[str] = mapped_column(String(36))
    hour: Mapped[datetime]
    requests: Mapped[int] = mapped_column(BigInteger)
    texts: Mapped[int] = mapped_column(BigInteger)
    failures: Mapped[int] = mapped_column(BigInteger)
    total_ms: Mapped[float]
    slowest_ms: Mapped[float]
    latency: Mapped[list[Any]]
    sizes: Mapped[list[Any]]


class JobRow(Base):
    """A piece of work. `fence` grows with every lease: whoever writes must hold the newest one."""

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "state", "kind", "run_after"), Index(None, "organization_id", "created_at"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    organization_id: Mapped[str] = mapped_column(String(64))
    subject_id: Mapped[str] = mapped_column(String(96), index=True)
    payload: Mapped[dict[str, Any]]
    attempts: Mapped[int]
    max_attempts: Mapped[int]
    fence: Mapped[int]
    worker_id: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    run_after: Mapped[datetime]
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class WorkerRow(Base):
    """A worker process that is, or was, alive."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
