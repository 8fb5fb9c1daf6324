"""Fine-tuned models: a stable id over versions, of which one is promoted and answers."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.orm import Session, defer

from fewfit.errors import InputError
from fewfit.service.datasets.datasets import dataset_owner, find_dataset
from fewfit.service.datasets.unlabelled import UNLABELLED, check_texts, keep_texts
from fewfit.service.errors import NotFoundError, NotReadyError
from fewfit.service.models.bases import Bases
from fewfit.service.models.hyperparameters import check_hyperparameters
from fewfit.service.models.model_rows import (
    add_event,
    answers_owner,
    current_version,
    find_model,
    model_record,
    numbered,
    promote_version,
    version_owner,
    version_record,
    versions_of,
)
from fewfit.service.models.stopping import cancel_training
from fewfit.service.names import check_name
from fewfit.service.paging import newest_first, read_moment, read_token, size_of_page, write_token
from fewfit.service.records import (
    DATASET_TYPES,
    BaseInfo,
    Caller,
    DatasetType,
    Hyperparameters,
    Model,
    ModelEvent,
    ModelStatus,
    ModelVersion,
    Page,
    StepMetrics,
    StoredFile,
    TrainingProgress,
)
from fewfit.service.store.database import Database
from fewfit.service.store.failpoints import fail_point
from fewfit.service.store.files import FileStore
from fewfit.service.store.queue import Jobs
from fewfit.service.store.recent import Recent
from fewfit.service.store.references import Owner, claim, copy_references, release
from fewfit.service.store.tables import (
    CorrectionRow,
    DatasetRow,
    ModelEventRow,
    ModelRow,
    ReviewRow,
    StepMetricsRow,
    VersionRow,
    utc_now,
)

_LONGEST_NAME = 200
# Which version answers is believed for so long; what this process changes is known at once.
_BELIEVED_S = 2.0
_BELIEVED_MODELS = 10_000


@dataclass(frozen=True)
class ReadyVersion:
    """What classification needs to know of a model."""

    model_id: str
    number: int
    base: str
    organization_id: str
    reviewed: bool = False


class Models:
    """Fine-tuned models and their versions. Ids are accepted with and without `-ft`."""

    def __init__(
        self,
        database: Database,
        files: FileStore,
        jobs: Jobs,
        bases: Bases,
        on_delete: Callable[[str], None] | None = None,
    ) -> None:
        self._database = database
        self._files = files
        self._on_delete = on_delete
        self._jobs = jobs
        self._bases = bases
        self._ready: Recent[tuple[str, str], ReadyVersion] = Recent(_BELIEVED_S, _BELIEVED_MODELS)

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
        """Makes a model and queues its training (scope train). Raises BusyError when too much is queued.

        `unlabelled` texts, such as the model will be asked, are learnt from, too: single-label models only.
        """
        caller.require("train")
        hyperparameters = hyperparameters or Hyperparameters()
        check_hyperparameters(hyperparameters)
        now = utc_now()
        row = ModelRow(
            id=str(uuid.uuid4()),
            name=check_name(name, "name of a model", longest=_LONGEST_NAME),
            organization_id=caller.organization_id,
            creator_id=caller.owner_id,
            kind="single",
            base_name=check_name(base_name, "name of the base", longest=200) if base_name.strip() else "",
            base=self._bases.resolve(base_name.strip()),
            hyperparameters=_given(hyperparameters),
            promoted_version=None,
            previous_version=None,
            created_at=now,
            updated_at=now,
            last_used_at=None,
            review_since=None,
            review_by=None,
        )
        texts = None
        if unlabelled:
            with self._database.reading() as session:
                trainable(find_dataset(session, caller.organization_id, dataset_id))  # before anything is stored
            texts = self._kept(caller, unlabelled)
        with self._database.writing() as session:
            # Locked: its files must not go before the job has taken hold of them.
            dataset = trainable(find_dataset(session, caller.organization_id, dataset_id, lock=True))
            row.kind = DATASET_TYPES[cast(DatasetType, dataset.type)]
            session.add(row)
            session.flush()
            version = self._queue(session, row, dataset, 1, hyperparameters, caller, texts, promote=True)
        fail_point("model.created")
        return model_record(row, [version])

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
        """Queues a new version (scope train), on the same dataset, settings and unlabelled texts unless told otherwise.

        With `promote` it answers as soon as it is ready, else when it is promoted. With `wait` the dataset may still
        be being validated: training begins when that is done.
        """
        caller.require("train")
        if hyperparameters is not None:
            check_hyperparameters(hyperparameters)
        texts = None
        if unlabelled:
            with self._database.reading() as session:
                find_model(session, caller.organization_id, model_id)  # before anything is stored
            texts = self._kept(caller, unlabelled)
        with self._database.writing() as session:
            row = find_model(session, caller.organization_id, model_id, lock=True)
            versions = versions_of(session, row.id)
            newest = versions[0]
            dataset = find_dataset(session, caller.organization_id, dataset_id or newest.dataset_id, lock=True)
            if not (wait and dataset.status in ("queued", "processing")):
                trainable(dataset)
            kind = DATASET_TYPES[cast(DatasetType, dataset.type)]
            if kind != row.kind:
                raise InputError(f"The model is {row.kind}-label and the dataset {dataset.id} is {kind}-label.")
            hyperparameters = hyperparameters or Hyperparameters(**newest.hyperparameters)
            version = self._queue(
                session, row, dataset, newest.number + 1, hyperparameters, caller, texts, promote=promote
            )
            version.note = note
            if unlabelled is None:
                trained = next(one for one in versions if one.made_from is None)
                source, own = (answers_owner(row, number) for number in (trained.number, version.number))
                copy_references(session, source, own, roles=(UNLABELLED,))
        return version_record(row, version)

    def get(self, caller: Caller, model_id: str) -> Model:
        """A model (scope read)."""
        caller.require("read")
        with self._database.reading() as session:
            row = find_model(session, caller.organization_id, model_id)
            return model_record(row, versions_of(session, row.id))

    def list(self, caller: Caller, *, page_size: int = 0, page_token: str = "", order_by: str = "") -> Page[Model]:
        """Models (scope read), newest first unless `order_by` is "created_at"; page_size 0 is 50."""
        caller.require("read")
        size, descending = size_of_page(page_size), newest_first(order_by)
        own = ModelRow.organization_id == caller.organization_id
        statement = select(ModelRow).where(own)
        if page_token:
            created, last_id = read_token(page_token, (str, str))
            moment = read_moment(created, page_token)
            if descending:
                after = or_(ModelRow.created_at < moment, and_(ModelRow.created_at == moment, ModelRow.id < last_id))
            else:
                after = or_(ModelRow.created_at > moment, and_(ModelRow.created_at == moment, ModelRow.id > last_id))
            statement = statement.where(after)
        columns = (ModelRow.created_at, ModelRow.id)
        statement = statement.order_by(*(column.desc() if descending else column for column in columns))
        with self._database.reading() as session:
            rows = list(session.scalars(statement.limit(size + 1)))
            total = session.scalar(select(func.count()).select_from(ModelRow).where(own)) or 0
            versions: dict[str, list[VersionRow]] = {row.id: [] for row in rows}
            # Reports are large, and a list does not show them.
            for version in session.scalars(
                select(VersionRow)
                .options(defer(VersionRow.report), defer(VersionRow.progress))
                .where(VersionRow.model_id.in_(versions))
                .order_by(VersionRow.number.desc())
            ):
                versions[version.model_id].append(version)
        shown = rows[:size]
        more = len(rows) > size
        token = write_token(shown[-1].created_at.isoformat(), shown[-1].id) if more else ""
        return Page(tuple(model_record(row, versions[row.id]) for row in shown), token, total)

    def rename(self, caller: Caller, model_id: str, name: str) -> Model:
        """Gives a model another name (scope train)."""
        caller.require("train")
        name = check_name(name, "name of a model", longest=_LONGEST_NAME)
        with self._database.writing() as session:
            row = find_model(session, caller.organization_id, model_id, lock=True)
            row.name, row.updated_at = name, utc_now()
            return model_record(row, versions_of(session, row.id))

    def delete(self, caller: Caller, model_id: str) -> None:
        """Deletes a model with its versions, events and figures, and cancels its jobs (scope train)."""
        caller.require("train")
        with self._database.writing() as session:
            row = find_model(session, caller.organization_id, model_id, lock=True)
            self._jobs.cancel(session, row.id)
            for version in versions_of(session, row.id):
                release(session, version_owner(row, version.number))
                release(session, answers_owner(row, version.number))
            for table in (ReviewRow, CorrectionRow, StepMetricsRow, ModelEventRow, VersionRow):
                session.execute(delete(table).where(table.model_id == row.id))
            session.delete(row)
            self._jobs.enqueue(session, "clean_up", row.organization_id, row.id)
        self._forget_ready(row.id)
        if self._on_delete is not None:
            self._on_delete(row.id)

    def events(
        self, caller: Caller, model_id: str, *, page_size: int = 0, page_token: str = "", order_by: str = ""
    ) -> Page[ModelEvent]:
        """What happened to a model (scope read), newest first unless `order_by` is "created_at"."""
        caller.require("read")
        size, descending = size_of_page(page_size), newest_first(order_by)
        with self._database.reading() as session:
            row = find_model(session, caller.organization_id, model_id)
            own = ModelEventRow.model_id == row.id
            statement = select(ModelEventRow).where(own)
            if page_token:
                (last_id,) = read_token(page_token, (int,))
                statement = statement.where(ModelEventRow.id < last_id if descending else ModelEventRow.id > last_id)
            order = ModelEventRow.id.desc() if descending else ModelEventRow.id
            rows = list(session.scalars(statement.order_by(order).limit(size + 1)))
            total = session.scalar(select(func.count()).select_from(ModelEventRow).where(own)) or 0
        token = write_token(rows[size - 1].id) if len(rows) > size else ""
        events = (ModelEvent(cast(ModelStatus, row.status), row.created_at, row.user_id) for row in rows[:size])
        return Page(tuple(events), token, total)

    def step_metrics(
        self, caller: Caller, model_id: str, *, page_size: int = 0, page_token: str = "", version: int | None = None
    ) -> Page[StepMetrics]:
        """Figures on held-out texts (scope read), highest step first; of the version that answers by default."""
        caller.require("read")
        size = size_of_page(page_size)
        with self._database.reading() as session:
            row, current = self._find_version(session, caller, model_id, version)
            own = and_(StepMetricsRow.model_id == row.id, StepMetricsRow.version == current.number)
            statement = select(StepMetricsRow).where(own)
            if page_token:
                (last_step,) = read_token(page_token, (int,))
                statement = statement.where(StepMetricsRow.step_number < last_step)
            rows = list(session.scalars(statement.order_by(StepMetricsRow.step_number.desc()).limit(size + 1)))
            total = session.scalar(select(func.count()).select_from(StepMetricsRow).where(own)) or 0
        token = write_token(rows[size - 1].step_number) if len(rows) > size else ""
        return Page(tuple(StepMetrics(r.step_number, r.metrics, r.created_at) for r in rows[:size]), token, total)

    def progress(self, caller: Caller, model_id: str, version: int | None = None) -> TrainingProgress | None:
        """Where training of the newest version stands (scope read); None while it is queued."""
        caller.require("read")
        with self._database.reading() as session:
            row = find_model(session, caller.organization_id, model_id)
            versions = versions_of(session, row.id)
            found = versions[0] if version is None else numbered(versions, version)
        values = found.progress
        if values is None:
            return None
        return TrainingProgress(
            stage=values["stage"],
            step=values["step"],
            total_steps=values["total_steps"],
            elapsed_s=values["elapsed_s"],
            remaining_s=values["remaining_s"],
            losses=tuple((int(step), float(loss)) for step, loss in values["losses"]),
        )

    def report(self, caller: Caller, model_id: str, version: int | None = None) -> Mapping[str, object]:
        """The quality report of a version (scope read), as JSON types; of the one that answers by default."""
        caller.require("read")
        with self._database.reading() as session:
            _, found = self._find_version(session, caller, model_id, version)
        return found.report

    def versions(self, caller: Caller, model_id: str) -> tuple[ModelVersion, ...]:
        """All versions (scope read), newest first."""
        caller.require("read")
        with self._database.reading() as session:
            row = find_model(session, caller.organization_id, model_id)
            return tuple(version_record(row, version) for version in versions_of(session, row.id))

    def promote(self, caller: Caller, model_id: str, version: int) -> Model:
        """Lets a ready version answer (scope train). Raises NotReadyError for one that is not."""
        caller.require("train")
        with self._database.writing() as session:
            row = find_model(session, caller.organization_id, model_id, lock=True)
            versions = versions_of(session, row.id)
            found = numbered(versions, version)
            if found.status != "ready":
                raise NotReadyError(f"Version {version} is {found.status}; only a ready one can answer.")
            promote_version(row, version)
            record = model_record(row, versions)
        self._forget_ready(record.id)
        return record

    def rollback(self, caller: Caller, model_id: str) -> Model:
        """Lets the version that answered before answer again (scope train)."""
        caller.require("train")
        with self._database.writing() as session:
            row = find_model(session, caller.organization_id, model_id, lock=True)
            if row.previous_version is None:
                raise InputError("No other version of this model has answered before; promote one instead.")
            promote_version(row, row.previous_version)
            record = model_record(row, versions_of(session, row.id))
        self._forget_ready(record.id)
        return record

    def cancel(self, caller: Caller, model_id: str) -> ModelVersion:
        """Stops the training of the newest version (scope train). Raises InputError where it is over already."""
        caller.require("train")
        return cancel_training(self._database, self._jobs, caller, model_id)

    def bases(self) -> tuple[BaseInfo, ...]:
        """The bases that models can be trained on, the default one first."""
        return self._bases.infos()

    def ready_version(self, organization_id: str, model_id: str) -> ReadyVersion:
        """The version that answers. Raises NotFoundError, or NotReadyError with what the model is doing."""
        return self._ready.ask((organization_id, model_id), lambda: self._look_up_ready(organization_id, model_id))

    def ready_at_once(self, organization_id: str, model_id: str) -> ReadyVersion | None:
        """The version that answers, from memory; None where `ready_version` must be asked."""
        return self._ready.get((organization_id, model_id))

    def is_ready_at_once(self, organization_id: str, model_id: str) -> bool:
        """Whether `ready_at_once` or `ready_version` is likely to give a version, as far as memory tells."""
        return self._ready.knows((organization_id, model_id))

    def _forget_ready(self, model_id: str) -> None:
        self._ready.forget(lambda version: version.model_id == model_id)

    def _look_up_ready(self, organization_id: str, model_id: str) -> ReadyVersion:
        with self._database.reading() as session:
            row = find_model(session, organization_id, model_id)
            if row.promoted_version is not None:
                return ReadyVersion(
                    row.id, row.promoted_version, row.base, row.organization_id, row.review_since is not None
                )
            newest = versions_of(session, row.id)[0]
        if newest.status == "failed":
            raise NotReadyError(f"Training of the model {row.id} failed: {newest.error} Train it again.")
        raise NotReadyError(f"The model {row.id} is not ready yet: it is {_DOING[newest.status]}. Try again later.")

    def base_of(self, organization_id: str, model_id: str) -> str:
        """The base that a model stands on. Raises NotFoundError."""
        with self._database.reading() as session:
            return find_model(session, organization_id, model_id).base

    def exists(self, organization_id: str, model_id: str) -> bool:
        """Whether there is such a model, ready or not."""
        with self._database.reading() as session:
            try:
                find_model(session, organization_id, model_id)
            except NotFoundError:
                return False
            return True

    def touch(self, model_id: str) -> None:
        """Notes that a model was used."""
        with self._database.writing() as session:
            row = session.get(ModelRow, model_id)
            if row is not None:
                row.last_used_at = utc_now()

    def _find_version(
        self, session: Session, caller: Caller, model_id: str, number: int | None
    ) -> tuple[ModelRow, VersionRow]:
        row = find_model(session, caller.organization_id, model_id)
        versions = versions_of(session, row.id)
        return row, (current_version(row, versions) if number is None else numbered(versions, number))

    def _queue(
        self,
        session: Session,
        row: ModelRow,
        dataset: DatasetRow,
        number: int,
        hyperparameters: Hyperparameters,
        caller: Caller,
        unlabelled: StoredFile | None,
        *,
        promote: bool,
    ) -> VersionRow:
        """Adds a version and the job that trains it, which takes its own hold of the dataset's files.

        Unlabelled texts stay with the version, for the trainings after it.
        """
        if unlabelled is not None and row.kind == "multi":
            raise InputError("Unlabelled texts are learnt from in single-label models only; leave them out.")
        now = utc_now()
        version = VersionRow(
            model_id=row.id,
            number=number,
            status="queued",
            dataset_id=dataset.id,
            hyperparameters=_given(hyperparameters),
            promote=promote,
            made_from=None,
            note="",
            error=None,
            labels=[],
            warnings=[],
            metrics={},
            base_metrics={},
            report={},
            progress=None,
            size_bytes=0,
            created_at=now,
            updated_at=now,
            completed_at=None,
        )
        session.add(version)
        session.flush()
        add_event(session, row.id, number, "queued", user_id=caller.owner_id)
        job_id = self._jobs.enqueue(session, "train", row.organization_id, row.id, {"version": number})
        job = Owner("job", job_id, row.organization_id)
        if dataset.status == "validated":
            copy_references(session, dataset_owner(dataset), job, roles=("train", "eval"))
        if unlabelled is not None:
            claim(session, answers_owner(row, number), UNLABELLED, unlabelled)
        row.updated_at = now
        return version

    def _kept(self, caller: Caller, unlabelled: Sequence[str]) -> StoredFile:
        """Unlabelled texts as a file that waits to be claimed."""
        check_texts(unlabelled, "unlabelled_texts")
        return keep_texts(self._database, self._files, caller.organization_id, unlabelled)


_DOING = {"queued": "waiting to be trained", "finetuning": "being trained", "deploying": "being made ready"}


def trainable(row: DatasetRow) -> DatasetRow:
    """A dataset that can be trained on. Raises InputError for one that failed validation or has not had it."""
    if row.status == "failed":
        raise InputError(f"The dataset {row.id} failed validation: {row.error} Upload a corrected one.")
    if row.status != "validated":
        raise InputError(f"The dataset {row.id} is still being validated ({row.status}). Wait until it is validated.")
    return row


def _given(values: Hyperparameters) -> dict[str, Any]:
    return {name: value for name, value in asdict(values).items() if value is not None}
