"""The job that validates an uploaded dataset and writes its parts."""

import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy.orm import Session

from fewfit.data import Dataset
from fewfit.errors import FewfitError
from fewfit.service.datasets.dataset_versions import EVAL_ROWS, ROWS, Recipe, load_rows, recipe, versions_of_dataset
from fewfit.service.datasets.datasets import dataset_owner, schema_json
from fewfit.service.datasets.holdout import least_held_out
from fewfit.service.datasets.rows import Rows, write_rows
from fewfit.service.datasets.validation import Rules, Source, Validated, check_rows, read_files
from fewfit.service.errors import StoreError
from fewfit.service.models.bases import Bases
from fewfit.service.records import DATASET_TYPES, DatasetOptions, DatasetType, StoredFile
from fewfit.service.store.database import Database
from fewfit.service.store.failpoints import fail_point
from fewfit.service.store.files import FileStore
from fewfit.service.store.parts import write_part
from fewfit.service.store.queue import Lease
from fewfit.service.store.references import claim, files_of, release
from fewfit.service.store.tables import DatasetRow, DatasetVersionRow, utc_now
from fewfit.service.store.uploads import store_file
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
        """Reads the upload, or the rows as they were edited, keeps what is found, and writes the parts where it is
        in order.
        """
        del cancel  # seconds at most; the lease is checked at every write
        with lease.writing() as session:
            row = _row(session, lease)
            row.status, row.updated_at = "processing", utc_now()
            uploaded = files_of(session, dataset_owner(row))
            made = recipe(versions_of_dataset(session, row.id))
        try:
            rules = self._rules(row)
            is_new = ROWS not in uploaded
            rows = self._read(uploaded, rules) if is_new else load_rows(self._files, uploaded, made)
            found = self._check(rows, rules)
        except StoreError:
            raise  # the upload is not at fault
        except FewfitError as error:
            with lease.writing() as session:
                self.give_up(session, lease, str(error))
                lease.finish(session)
            return
        fail_point("validate.read")
        stored = self._store(row, rows if is_new else None, found)
        fail_point("validate.stored")
        with lease.writing() as session:
            self._keep(session, lease, made, rows, found, stored)
            lease.finish(session)
            fail_point("validate.finishing")
        fail_point("validate.finished")

    def give_up(self, session: Session, lease: Lease, reason: str) -> None:
        """Says on the dataset why it could not be validated."""
        row = session.get(DatasetRow, lease.subject_id)
        if row is not None:
            row.status, row.error, row.updated_at = "failed", reason, utc_now()

    def _rules(self, row: DatasetRow) -> Rules:
        settings = self._settings
        options = DatasetOptions(**row.options)
        return Rules(
            kind=None if options.find_kind else DATASET_TYPES[_type(row)],
            options=options,
            min_examples=settings.min_examples,
            min_examples_per_label=settings.min_examples_per_label,
            min_eval_examples=settings.min_eval_examples,
            eval_fraction=settings.eval_fraction,
            min_holdout_examples=least_held_out(settings),
        )

    def _read(self, uploaded: dict[str, StoredFile], rules: Rules) -> Rows:
        with ExitStack() as stack:
            sources = {
                role: Source(stack.enter_context(self._files.open(file.sha256)), file.filename or "")
                for role, file in uploaded.items()
                if role in _ORIGINALS
            }
            return read_files(sources["data"], sources.get("eval_data"), rules)

    def _check(self, rows: Rows, rules: Rules) -> Validated:
        # Weights are not fetched just to count tokens.
        tokenizer = self._bases.local_tokenizer(self._bases.resolve(""))
        return check_rows(
            rows,
            rules,
            count_tokens=tokenizer.count if tokenizer else None,
            max_tokens=(self._settings.max_length or tokenizer.config.max_length) if tokenizer else None,
        )

    def _store(self, row: DatasetRow, new: Rows | None, found: Validated) -> dict[str, StoredFile]:
        """Writes the rows where they were just read, and the parts where the dataset is in order."""
        writers: dict[str, tuple[Dataset | None, Writer]] = {}
        if new is not None:
            writers |= {ROWS: (new.train, write_rows), EVAL_ROWS: (new.evaluation, write_rows)}
        if found.error is None:
            writers |= {"train": (found.train, write_part), "eval": (found.evaluation, write_part)}
        folder = self._files.new_folder()
        stored = {}
        try:
            for name, (dataset, write) in writers.items():
                if dataset is not None:
                    path = folder / f"{name}.avro"
                    write(path, dataset)
                    stored[name] = store_file(self._database, self._files, row.organization_id, path, path.name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return stored

    def _keep(
        self,
        session: Session,
        lease: Lease,
        made: Recipe,
        rows: Rows,
        found: Validated,
        stored: dict[str, StoredFile],
    ) -> None:
        row = _row(session, lease)
        owner = dataset_owner(row)
        for role in ("train", "eval"):  # those of the version before
            release(session, owner, role)
        for role, file in stored.items():
            claim(session, owner, role, file)
        if not row.options.get("keep_original_file"):
            for role in _ORIGINALS:
                release(session, owner, role)
        version = session.get(DatasetVersionRow, (row.id, made.number))
        assert version is not None, "versions go with their dataset"
        if ROWS in stored:
            version.reading = rows.reading()
            row.delimiter = found.train.read_as.delimiter if found.train.read_as else None
        version.overview = found.overview(version.reading or made.reading)
        row.type = next(name for name, kind in DATASET_TYPES.items() if kind == rows.kind)
        row.report = dict(found.report.to_dict())
        row.warnings = found.warnings
        row.error = found.error
        row.status = "validated" if found.error is None else "failed"
        row.updated_at = utc_now()
        row.parts = found.parts() if found.error is None else []
        row.metrics = found.metrics() if found.error is None else None
        row.schema = schema_json(row.type) if found.error is None else None


Writer = Callable[[Path, Dataset], None]


def _row(session: Session, lease: Lease) -> DatasetRow:
    row = session.get(DatasetRow, lease.subject_id)
    assert row is not None, "deleting a dataset cancels its jobs"
    return row


def _type(row: DatasetRow) -> DatasetType:
    for known in DATASET_TYPES:
        if row.type == known:
            return known
    raise AssertionError(row.type)
