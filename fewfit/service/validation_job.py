"""The job that validates an uploaded dataset and writes its parts."""

import shutil
import threading
from contextlib import ExitStack

from sqlalchemy.orm import Session

from fewfit.errors import FewfitError
from fewfit.service.bases import Bases
from fewfit.service.database import Database
from fewfit.service.datasets import dataset_owner, schema_json
from fewfit.service.failpoints import fail_point
from fewfit.service.files import FileStore
from fewfit.service.holdout import least_held_out
from fewfit.service.jobs import Lease
from fewfit.service.parts import write_part
from fewfit.service.records import DATASET_TYPES, DatasetOptions, DatasetType, StoredFile
from fewfit.service.references import claim, files_of, release
from fewfit.service.tables import DatasetRow, utc_now
from fewfit.service.uploads import store_file
from fewfit.service.validation import Rules, Source, Validated, validate_files
from fewfit.settings import Settings

_ORIGINALS = ("data", "eval_data")


class ValidationJob:
    """Validates one dataset."""

    def __init__(self, database: Database, files: FileStore, bases: Bases, settings: Settings) -> None:
        self._database = database
        self._files = files
        self._bases = bases
        self._settings = settings

    def run(self, lease: Lease, cancel: threading.Event) -> None:
        """Reads the upload, keeps what is found, and writes the parts where it is in order."""
        del cancel  # seconds at most; the lease is checked at every write
        with lease.writing() as session:
            row = _row(session, lease)
            row.status, row.updated_at = "processing", utc_now()
            uploaded = files_of(session, dataset_owner(row))
        try:
            found = self._validate(row, uploaded)
        except FewfitError as error:
            with lease.writing() as session:
                self.give_up(session, lease, str(error))
                lease.finish(session)
            return
        fail_point("validate.read")
        stored = self._store(row, found) if found.error is None else {}
        fail_point("validate.stored")
        with lease.writing() as session:
            self._keep(session, lease, found, stored)
            lease.finish(session)
            fail_point("validate.finishing")
        fail_point("validate.finished")

    def give_up(self, session: Session, lease: Lease, reason: str) -> None:
        """Says on the dataset why it could not be validated."""
        row = session.get(DatasetRow, lease.subject_id)
        if row is not None:
            row.status, row.error, row.updated_at = "failed", reason, utc_now()

    def _validate(self, row: DatasetRow, uploaded: dict[str, StoredFile]) -> Validated:
        settings = self._settings
        rules = Rules(
            kind=DATASET_TYPES[_type(row)],
            options=DatasetOptions(**row.options),
            min_examples=settings.min_examples,
            min_examples_per_label=settings.min_examples_per_label,
            min_eval_examples=settings.min_eval_examples,
            eval_fraction=settings.eval_fraction,
            min_holdout_examples=least_held_out(settings),
        )
        # Weights are not fetched just to count tokens.
        tokenizer = self._bases.local_tokenizer(self._bases.resolve(""))
        with ExitStack() as stack:
            sources = {
                role: Source(stack.enter_context(self._files.open(file.sha256)), file.filename or "")
                for role, file in uploaded.items()
                if role in _ORIGINALS
            }
            return validate_files(
                sources["data"],
                sources.get("eval_data"),
                rules,
                count_tokens=tokenizer.count if tokenizer else None,
                max_tokens=(settings.max_length or tokenizer.config.max_length) if tokenizer else None,
            )

    def _store(self, row: DatasetRow, found: Validated) -> dict[str, StoredFile]:
        folder = self._files.new_folder()
        stored = {}
        try:
            for name, dataset in (("train", found.train), ("eval", found.evaluation)):
                if dataset is not None:
                    path = folder / f"{name}.avro"
                    write_part(path, dataset)
                    stored[name] = store_file(self._database, self._files, row.organization_id, path, path.name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return stored

    def _keep(self, session: Session, lease: Lease, found: Validated, stored: dict[str, StoredFile]) -> None:
        row = _row(session, lease)
        owner = dataset_owner(row)
        for role, file in stored.items():
            claim(session, owner, role, file)
        if not row.options.get("keep_original_file"):
            for role in _ORIGINALS:
                release(session, owner, role)
        row.report = dict(found.report.to_dict())
        row.warnings = found.warnings
        row.error = found.error
        row.status = "validated" if found.error is None else "failed"
        row.delimiter = found.train.read_as.delimiter if found.train.read_as else None
        row.updated_at = utc_now()
        if found.error is None:
            row.parts = found.parts()
            row.metrics = found.metrics()
            row.schema = schema_json(row.type)


def _row(session: Session, lease: Lease) -> DatasetRow:
    row = session.get(DatasetRow, lease.subject_id)
    assert row is not None, "deleting a dataset cancels its jobs"
    return row


def _type(row: DatasetRow) -> DatasetType:
    for known in DATASET_TYPES:
        if row.type == known:
            return known
    raise AssertionError(row.type)
