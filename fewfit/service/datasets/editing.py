"""Datasets under repair: their rows browsed, their versions listed, edits applied and taken back."""

import threading
from collections import OrderedDict
from collections.abc import Iterator

from fewfit.data import Example, Kind
from fewfit.data.writing import WriteFormat, dataset_lines
from fewfit.errors import InputError
from fewfit.service.datasets.dataset_versions import (
    ROWS,
    Recipe,
    add_version,
    load_rows,
    recipe,
    version_record,
    versions_of_dataset,
)
from fewfit.service.datasets.datasets import dataset_owner, find_dataset
from fewfit.service.datasets.edits import PARTS, Edit, apply_edit, describe
from fewfit.service.datasets.rows import Rows
from fewfit.service.errors import NotFoundError, NotReadyError
from fewfit.service.records import Caller, DatasetVersion, RowPage, StoredFile
from fewfit.service.store.database import Database
from fewfit.service.store.files import FileStore
from fewfit.service.store.queue import Jobs
from fewfit.service.store.references import files_of
from fewfit.service.store.tables import DatasetRow, utc_now

# Rows kept in memory, so that turning a page does not read the file again: some 100 MB of short texts.
_KEPT_ROWS = 300_000


class Editing:
    """The rows of datasets and what is done to them."""

    def __init__(self, database: Database, files: FileStore, jobs: Jobs) -> None:
        self._database = database
        self._files = files
        self._jobs = jobs
        self._kept: OrderedDict[tuple[str, int], Rows] = OrderedDict()
        self._lock = threading.Lock()

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
        """Rows of a version (scope read): those with all words of `query`, with a label, with these numbers.

        The label "" stands for rows without one. Raises NotReadyError while the upload has not been read.
        """
        caller.require("read")
        if part not in PARTS:
            raise InputError(f"The part is {part[:20]!r}; expected one of {', '.join(PARTS)}.")
        data = self._find(caller, dataset_id, version)[1].part(part)
        words = query.casefold().split()

        def wanted(example: Example) -> bool:
            return (
                (numbers is None or example.row in numbers)
                and (label is None or (label in example.labels if label else not example.labels))
                and all(word in example.text.casefold() for word in words)
            )

        found = (
            data.examples if not words and label is None and numbers is None else tuple(filter(wanted, data.examples))
        )
        return RowPage(found[max(0, offset) :][: max(0, limit)], len(found), len(data), data.label_counts)

    def kind(self, caller: Caller, dataset_id: str) -> Kind:
        """Whether the newest version has one label a text or several (scope read)."""
        caller.require("read")
        return self._find(caller, dataset_id, None)[1].kind

    def versions(self, caller: Caller, dataset_id: str) -> tuple[DatasetVersion, ...]:
        """The versions of a dataset (scope read), newest first."""
        caller.require("read")
        with self._database.reading() as session:
            row = find_dataset(session, caller.organization_id, dataset_id)
            return tuple(map(version_record, versions_of_dataset(session, row.id)))

    def edit(self, caller: Caller, dataset_id: str, edit: Edit) -> DatasetVersion:
        """Makes a new version by an edit and has it checked (scope train). See `edits` for what there is.

        Raises InputError for an edit that cannot be understood or changes nothing.
        """
        caller.require("train")
        made, before = self._find(caller, dataset_id, None)
        after = apply_edit(before, edit)
        note = describe(before, after, edit)
        return self._add(caller, dataset_id, made.number, edit, note, after)

    def restore(self, caller: Caller, dataset_id: str, number: int) -> DatasetVersion:
        """Makes a new version with the rows of an earlier one (scope train): undo, and undo of undo."""
        caller.require("train")
        newest = self.versions(caller, dataset_id)[0].number
        if number == newest:
            raise InputError(f"Version {number} is the newest one already.")
        _, rows = self._find(caller, dataset_id, number)
        return self._add(caller, dataset_id, newest, None, f"Back to version {number}", rows, parent=number)

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
        caller.require("read")
        if file_format not in ("csv", "jsonl"):
            raise InputError(f"The format is {file_format[:20]!r}; expected csv or jsonl.")
        if part not in PARTS:
            raise InputError(f"The part is {part[:20]!r}; expected one of {', '.join(PARTS)}.")
        return dataset_lines(self._find(caller, dataset_id, version)[1].part(part), file_format)

    def _add(
        self,
        caller: Caller,
        dataset_id: str,
        newest: int,
        edit: Edit | None,
        note: str,
        rows: Rows,
        parent: int | None = None,
    ) -> DatasetVersion:
        with self._database.writing() as session:
            row = find_dataset(session, caller.organization_id, dataset_id, lock=True)
            versions = versions_of_dataset(session, row.id)
            if versions[0].number != newest:
                raise InputError("The dataset was changed in the meantime. Look at it again, and repeat the edit.")
            number = newest + 1
            add_version(
                session,
                row.id,
                number=number,
                note=note,
                user_id=caller.owner_id,
                parent=parent or newest,
                edit=edit,
            )
            row.status, row.updated_at = "queued", utc_now()
            self._jobs.cancel(session, row.id)
            self._jobs.enqueue(session, "validate", caller.organization_id, row.id)
            added = version_record(versions_of_dataset(session, row.id)[0])
        self._keep((dataset_id, number), rows)
        return added

    def _find(self, caller: Caller, dataset_id: str, number: int | None) -> tuple[Recipe, Rows]:
        with self._database.reading() as session:
            row = find_dataset(session, caller.organization_id, dataset_id)
            made = recipe(versions_of_dataset(session, row.id), number)
            stored = files_of(session, dataset_owner(row))
        key = (dataset_id, made.number)
        with self._lock:
            rows = self._kept.get(key)
            if rows is not None:
                self._kept.move_to_end(key)
                return made, rows
        rows = self._load(row, stored, made)
        self._keep(key, rows)
        return made, rows

    def _load(self, row: DatasetRow, stored: dict[str, StoredFile], made: Recipe) -> Rows:
        if ROWS in stored:
            return load_rows(self._files, stored, made)
        if row.status in ("queued", "processing"):
            raise NotReadyError("The upload is being read. Its rows can be looked at in a moment.")
        raise NotFoundError(f"The dataset has no rows: {row.error or 'it was uploaded before rows were kept'}")

    def _keep(self, key: tuple[str, int], rows: Rows) -> None:
        with self._lock:
            self._kept[key] = rows
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(map(_n_rows, self._kept.values())) > _KEPT_ROWS:
                self._kept.popitem(last=False)


def _n_rows(rows: Rows) -> int:
    return len(rows.train) + len(rows.part("eval"))
