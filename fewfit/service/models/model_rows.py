"""Models and their versions as rows: found, changed, and made into records."""

from collections.abc import Sequence
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from fewfit.data import Kind
from fewfit.service.errors import NotFoundError
from fewfit.service.names import model_uuid
from fewfit.service.records import Hyperparameters, Model, ModelStatus, ModelVersion
from fewfit.service.store.references import Owner
from fewfit.service.store.tables import ModelEventRow, ModelRow, VersionRow, utc_now


def version_owner(row: ModelRow, number: int) -> Owner:
    """A version as an owner of files."""
    return Owner("version", f"{row.id}:{number}", row.organization_id)


def answers_owner(row: ModelRow, number: int) -> Owner:
    """A version as an owner of its answers to the texts it was measured on, which are no part of the artifact."""
    return Owner("answers", f"{row.id}:{number}", row.organization_id)


def find_model(session: Session, organization_id: str, model_id: str, *, lock: bool = False) -> ModelRow:
    """A model of an organisation. Raises NotFoundError."""
    key = model_uuid(model_id)
    row = None
    if key is not None:
        statement = select(ModelRow).where(ModelRow.id == key, ModelRow.organization_id == organization_id)
        row = session.scalar(statement.with_for_update() if lock else statement)
    if row is None:
        raise NotFoundError(f"There is no model {model_id!r}.")
    return row


def add_event(session: Session, model_id: str, number: int, status: ModelStatus, *, user_id: str = "") -> None:
    """Notes that a model's status has changed."""
    session.add(ModelEventRow(model_id=model_id, version=number, status=status, user_id=user_id, created_at=utc_now()))


def promote_version(row: ModelRow, number: int) -> None:
    """Lets a version answer."""
    if row.promoted_version != number:
        row.previous_version, row.promoted_version = row.promoted_version, number
    row.updated_at = utc_now()


def versions_of(session: Session, model_id: str) -> list[VersionRow]:
    """Versions of a model, newest first; there is always one."""
    return list(
        session.scalars(select(VersionRow).where(VersionRow.model_id == model_id).order_by(VersionRow.number.desc()))
    )


def numbered(versions: Sequence[VersionRow], number: int) -> VersionRow:
    """The version with this number. Raises NotFoundError."""
    for version in versions:
        if version.number == number:
            return version
    raise NotFoundError(f"There is no version {number}; the newest is {versions[0].number}.")


def current_version(row: ModelRow, versions: Sequence[VersionRow]) -> VersionRow:
    """The version that answers; before there is one, the newest."""
    return versions[0] if row.promoted_version is None else numbered(versions, row.promoted_version)


def model_record(row: ModelRow, versions: Sequence[VersionRow]) -> Model:
    """What the service gives out of a model."""
    current = current_version(row, versions)
    return Model(
        id=row.id,
        name=row.name,
        organization_id=row.organization_id,
        creator_id=row.creator_id,
        kind=cast(Kind, row.kind),
        status=cast(ModelStatus, current.status),
        dataset_id=current.dataset_id,
        base_name=row.base_name,
        base=row.base,
        hyperparameters=Hyperparameters(**current.hyperparameters),
        created_at=row.created_at,
        updated_at=max(row.updated_at, current.updated_at),
        completed_at=current.completed_at,
        last_used_at=row.last_used_at,
        error=current.error,
        labels=tuple(current.labels),
        promoted_version=row.promoted_version,
        previous_version=row.previous_version,
        review_since=row.review_since,
        metrics=current.metrics,
        base_metrics=current.base_metrics,
    )


def version_record(row: ModelRow, version: VersionRow) -> ModelVersion:
    """What the service gives out of a version."""
    return ModelVersion(
        model_id=row.id,
        number=version.number,
        status=cast(ModelStatus, version.status),
        dataset_id=version.dataset_id,
        promoted=row.promoted_version == version.number,
        created_at=version.created_at,
        updated_at=version.updated_at,
        completed_at=version.completed_at,
        error=version.error,
        labels=tuple(version.labels),
        warnings=tuple(version.warnings),
        metrics=version.metrics,
        base_metrics=version.base_metrics,
        size_bytes=version.size_bytes,
        made_from=version.made_from,
        note=version.note,
    )
