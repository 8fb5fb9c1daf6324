"""Datasets: uploaded, validated, listed, downloaded, deleted."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from fewfit.data import Report
from fewfit.data.reading import ReadOptions
from fewfit.errors import InputError
from fewfit.service.datasets.dataset_versions import add_version
from fewfit.service.datasets.validation import refuse_at_once
from fewfit.service.errors import LimitError, NotFoundError
from fewfit.service.names import check_name, is_dataset_id, new_dataset_id
from fewfit.service.records import (
    DATASET_TYPES,
    OTHER_DATASET_TYPES,
    Caller,
    Dataset,
    DatasetMetrics,
    DatasetOptions,
    DatasetPart,
    DatasetType,
    Download,
    LabelMetric,
    OpenedFile,
    StoredFile,
    ValidationStatus,
)
from fewfit.service.store import parts
from fewfit.service.store.database import Database
from fewfit.service.store.failpoints import fail_point
from fewfit.service.store.files import FileStore
from fewfit.service.store.queue import Jobs
from fewfit.service.store.references import Owner, claim, files_of, files_of_many, release, used_bytes
from fewfit.service.store.tables import DatasetRow, FileReferenceRow, moment, utc_now
from fewfit.service.store.uploads import Upload
from fewfit.settings import Settings

# "Under 50 characters", as the retired service had it.
_LONGEST_NAME = 49
_MOST_LISTED = 1000
_HEAD_BYTES = 4096
_STATUSES: tuple[ValidationStatus, ...] = ("queued", "processing", "validated", "failed")
# What the SDKs know besides, and no dataset here ever is.
_OTHER_STATUSES = ("unknown", "skipped")
_MEDIA_TYPES = {"csv": "text/csv", "jsonl": "application/jsonl"}


class Datasets:
    """Datasets of labelled texts."""

    def __init__(
        self, database: Database, files: FileStore, jobs: Jobs, settings: Settings, download_secret: bytes
    ) -> None:
        self._database = database
        self._files = files
        self._jobs = jobs
        self._settings = settings
        self._secret = download_secret

    def upload(self, caller: Caller, filename: str | None = None) -> Upload:
        """Starts receiving a file (scope train). Raises LimitError where the organisation's space is used up."""
        caller.require("train")
        with self._database.reading() as session:
            # Uploads that nothing has come of yet count.
            used = used_bytes(session, caller.organization_id, kinds=("dataset", "upload"))
        free = self._settings.max_organization_bytes - used
        if free <= 0:
            raise self._no_space(used, "take")
        limit = min(free, self._settings.max_dataset_bytes)
        return Upload(self._database, self._files, caller.organization_id, limit_bytes=limit, filename=filename)

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
        """Keeps uploaded files as a dataset and queues its validation (scope train).

        Where that is refused, the files are dropped.
        """
        try:
            return self._create(caller, name, dataset_type, data, eval_data, options or DatasetOptions())
        except Exception:
            with self._database.writing() as session:
                for file in filter(None, (data, eval_data)):
                    release(session, Owner("upload", file.upload_id, caller.organization_id))
            raise

    def _create(
        self,
        caller: Caller,
        name: str,
        dataset_type: DatasetType | str,
        data: StoredFile,
        eval_data: StoredFile | None,
        options: DatasetOptions,
    ) -> Dataset:
        caller.require("train")
        name = check_name(name, "name of a dataset", longest=_LONGEST_NAME)
        if dataset_type not in DATASET_TYPES:
            raise InputError(f"The dataset type is {dataset_type!r}; expected one of {', '.join(DATASET_TYPES)}.")
        ReadOptions(delimiter=options.csv_delimiter, label_separator=options.label_separator)
        total = data.size_bytes + (eval_data.size_bytes if eval_data else 0)
        if total > self._settings.max_dataset_bytes:
            raise LimitError(
                f"The files have {total:,} bytes; at most {self._settings.max_dataset_bytes:,} are allowed."
            )
        for file in filter(None, (data, eval_data)):
            refuse_at_once(self._head(file), file.filename)
        now = utc_now()
        row = DatasetRow(
            id=new_dataset_id(name),
            name=name,
            type=dataset_type,
            organization_id=caller.organization_id,
            owner_id=caller.owner_id,
            status="queued",
            error=None,
            warnings=[],
            options=asdict(options),
            parts=[],
            metrics=None,
            report=None,
            schema=None,
            delimiter=options.csv_delimiter,
            created_at=now,
            updated_at=now,
        )
        owner = dataset_owner(row)
        with self._database.writing() as session:
            session.add(row)
            session.flush()
            note = f"Uploaded {data.filename}" if data.filename else "Uploaded"
            add_version(session, row.id, number=1, note=note, user_id=caller.owner_id)
            claim(session, owner, "data", data)
            if eval_data is not None:
                claim(session, owner, "eval_data", eval_data)
            used = used_bytes(session, caller.organization_id)
            if used > self._settings.max_organization_bytes:  # others arrived at the same time
                raise self._no_space(used, "would take")
            self._jobs.enqueue(session, "validate", caller.organization_id, row.id)
        fail_point("dataset.created")
        return self.get(Caller(caller.organization_id, caller.owner_id, frozenset({"read"})), row.id)

    def get(self, caller: Caller, dataset_id: str) -> Dataset:
        """A dataset (scope read)."""
        caller.require("read")
        with self._database.reading() as session:
            row = find_dataset(session, caller.organization_id, dataset_id)
            return self._record(row, files_of(session, dataset_owner(row)))

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
        caller.require("read")
        # Reports are large, and a list does not show them.
        own = DatasetRow.organization_id == caller.organization_id
        statement = select(DatasetRow).options(defer(DatasetRow.report)).where(own)
        if dataset_type is not None:
            statement = statement.where(
                DatasetRow.type == _known(dataset_type, (*DATASET_TYPES, *OTHER_DATASET_TYPES), "dataset type")
            )
        if status is not None:
            statement = statement.where(
                DatasetRow.status == _known(status, (*_STATUSES, *_OTHER_STATUSES), "validation status")
            )
        if before is not None:
            statement = statement.where(DatasetRow.created_at < moment(before, "before"))
        if after is not None:
            statement = statement.where(DatasetRow.created_at > moment(after, "after"))
        if (limit is not None and limit < 0) or offset < 0:
            raise InputError(f"limit is {limit} and offset is {offset}; expected numbers from 0 on.")
        limit = _MOST_LISTED if limit is None else min(limit, _MOST_LISTED)
        statement = statement.order_by(DatasetRow.created_at.desc(), DatasetRow.id.desc()).limit(limit)
        with self._database.reading() as session:
            rows = list(session.scalars(statement.offset(min(offset, 2**62))))
            files = files_of_many(session, "dataset", [row.id for row in rows], caller.organization_id)
        return tuple(self._record(row, files[row.id]) for row in rows)

    def report(self, caller: Caller, dataset_id: str) -> Report:
        """Everything that validation found (scope read); empty while it has not run."""
        caller.require("read")
        with self._database.reading() as session:
            row = find_dataset(session, caller.organization_id, dataset_id)
        return Report.from_dict(cast(Any, row.report)) if row.report else Report()

    def usage_bytes(self, caller: Caller) -> int:
        """What the organisation's datasets take (scope read)."""
        caller.require("read")
        with self._database.reading() as session:
            return used_bytes(session, caller.organization_id)

    def delete(self, caller: Caller, dataset_id: str) -> None:
        """Deletes a dataset (scope train). Jobs that use it keep their own copy; models stay."""
        caller.require("train")
        with self._database.writing() as session:
            row = find_dataset(session, caller.organization_id, dataset_id, lock=True)
            self._delete(session, row)

    def delete_expired(self, now: datetime) -> int:
        """Deletes datasets that are older than the retention setting says; returns how many."""
        days = self._settings.retention_days
        if not days:
            return 0
        with self._database.writing() as session:
            old = select(DatasetRow).where(DatasetRow.created_at < now - timedelta(days=days))
            rows = list(session.scalars(old.order_by(DatasetRow.id).with_for_update()))
            for row in rows:
                self._delete(session, row)
        return len(rows)

    def open_download(self, download_id: str, token: str) -> OpenedFile:
        """A part or original by what its link carries; no caller. Raises NotFoundError for a wrong token."""
        expected = self._token(download_id)
        if not hmac.compare_digest(expected.encode(), token.encode("utf-8", "replace")):
            raise NotFoundError("There is no such file, or the link is not whole.")
        dataset_id, _, role = download_id.rpartition("_")
        with self._database.reading() as session:
            reference = session.scalar(
                select(FileReferenceRow).where(
                    FileReferenceRow.owner_kind == "dataset",
                    FileReferenceRow.owner_id == dataset_id,
                    FileReferenceRow.role == _ROLES.get(role, role),
                )
            )
        if reference is None:
            raise NotFoundError("The file was deleted with its dataset.")
        original = role in _ROLES
        filename = (reference.filename or dataset_id) if original else f"{dataset_id}-{role}.avro"
        media_type = _MEDIA_TYPES.get(filename.rpartition(".")[2].lower(), "application/octet-stream")
        return OpenedFile(filename, media_type, reference.size_bytes, self._files.chunks(reference.sha256))

    def _no_space(self, used: int, verb: str) -> LimitError:
        return LimitError(
            f"The datasets of your organisation {verb} {used:,} bytes; at most "
            f"{self._settings.max_organization_bytes:,} are allowed. Delete some first."
        )

    def _delete(self, session: Session, row: DatasetRow) -> None:
        owner = dataset_owner(row)
        self._jobs.cancel(session, row.id)
        release(session, owner)
        session.delete(row)
        self._jobs.enqueue(session, "clean_up", row.organization_id, row.id)

    def _head(self, file: StoredFile) -> bytes:
        with self._files.open(file.sha256) as stream:
            return stream.read(_HEAD_BYTES)

    def _token(self, download_id: str) -> str:
        return hmac.new(self._secret, download_id.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def _download(self, dataset_id: str, role: str) -> Download:
        download_id = f"{dataset_id}_{role}"
        return Download(download_id, self._token(download_id))

    def _record(self, row: DatasetRow, files: Mapping[str, StoredFile]) -> Dataset:
        found = tuple(self._part(row.id, number, part, files) for number, part in enumerate(row.parts))
        return Dataset(
            id=row.id,
            name=row.name,
            type=cast(DatasetType, row.type),
            organization_id=row.organization_id,
            owner_id=row.owner_id,
            status=cast(ValidationStatus, row.status),
            created_at=row.created_at,
            updated_at=row.updated_at,
            error=row.error,
            warnings=tuple(row.warnings),
            size_bytes=sum(file.size_bytes for file in files.values()),
            schema=row.schema,
            delimiter=row.delimiter,
            label_separator=row.options.get("label_separator"),
            parts=found,
            metrics=_metrics(row.metrics, found) if row.metrics else None,
        )

    def _part(
        self, dataset_id: str, number: int, part: Mapping[str, Any], files: Mapping[str, StoredFile]
    ) -> DatasetPart:
        name = str(part["name"])
        original = _ORIGINALS[name]
        return DatasetPart(
            name=name,
            index=number,
            n_rows=part["n_rows"],
            size_bytes=files[name].size_bytes,
            samples=tuple(part["samples"]),
            download=self._download(dataset_id, name),
            original=self._download(dataset_id, original) if _ROLES[original] in files else None,
        )


# What a download link calls the original of a part, and under which role it is kept.
_ORIGINALS = {"train": "train-original", "eval": "eval-original"}
_ROLES = {"train-original": "data", "eval-original": "eval_data"}


def dataset_owner(row: DatasetRow) -> Owner:
    """A dataset as an owner of files."""
    return Owner("dataset", row.id, row.organization_id)


def find_dataset(session: Session, organization_id: str, dataset_id: str, *, lock: bool = False) -> DatasetRow:
    """A dataset of an organisation. Raises NotFoundError."""
    row = None
    if is_dataset_id(dataset_id):
        statement = select(DatasetRow).where(DatasetRow.id == dataset_id, DatasetRow.organization_id == organization_id)
        row = session.scalar(statement.with_for_update() if lock else statement)
    if row is None:
        raise NotFoundError(f"There is no dataset {dataset_id!r}.")
    return row


def schema_json(dataset_type: str) -> str:
    """The Avro schema of a dataset type as the JSON text that the SDKs expect."""
    return json.dumps(parts.schema(DATASET_TYPES[cast(DatasetType, dataset_type)]), separators=(",", ":"))


def _metrics(values: Mapping[str, Any], found: tuple[DatasetPart, ...]) -> DatasetMetrics:
    sizes = {part.name: part.size_bytes for part in found}
    return DatasetMetrics(
        total_examples=values["total_examples"],
        train_examples=values["train_examples"],
        train_size_bytes=sizes.get("train", 0),
        eval_examples=values["eval_examples"],
        eval_size_bytes=sizes.get("eval", 0),
        trainable_token_count=values["trainable_token_count"],
        labels=tuple(
            LabelMetric(label["label"], label["total_examples"], tuple(label["samples"])) for label in values["labels"]
        ),
    )


def _known(value: str, known: Any, what: str) -> str:
    if value not in known:
        raise InputError(f"The {what} is {value!r}; expected one of {', '.join(known)}.")
    return value
