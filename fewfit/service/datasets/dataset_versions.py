"""Versions of datasets as rows of the database: found, and made into the rows of texts that they stand for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from fewfit.data import Kind, Report
from fewfit.service.datasets.edits import Edit, apply_edit
from fewfit.service.datasets.rows import Rows, read_rows
from fewfit.service.errors import NotFoundError
from fewfit.service.records import DatasetOverview, DatasetVersion, PartOverview, StoredFile
from fewfit.service.store.files import FileStore
from fewfit.service.store.tables import DatasetVersionRow, utc_now

# Under which roles a dataset keeps its rows as they were read.
ROWS, EVAL_ROWS = "rows", "eval_rows"


@dataclass(frozen=True)
class Recipe:
    """How to make the rows of a version: what was read, and the edits since."""

    number: int
    reading: Mapping[str, Any]
    edits: tuple[Edit, ...]


def add_version(
    session: Session,
    dataset_id: str,
    *,
    number: int,
    note: str,
    user_id: str,
    parent: int | None = None,
    edit: Edit | None = None,
) -> None:
    """Notes a new version."""
    session.add(
        DatasetVersionRow(
            dataset_id=dataset_id,
            number=number,
            parent=parent,
            edit=None if edit is None else dict(edit),
            note=note,
            user_id=user_id,
            reading=None,
            overview=None,
            created_at=utc_now(),
        )
    )
    session.flush()


def versions_of_dataset(session: Session, dataset_id: str) -> list[DatasetVersionRow]:
    """The versions of a dataset, newest first."""
    statement = select(DatasetVersionRow).where(DatasetVersionRow.dataset_id == dataset_id)
    return list(session.scalars(statement.order_by(DatasetVersionRow.number.desc())))


def numbered_version(versions: Sequence[DatasetVersionRow], number: int | None) -> DatasetVersionRow:
    """The version with this number, the newest for None. Raises NotFoundError."""
    for version in versions:
        if number is None or version.number == number:
            return version
    raise NotFoundError(f"The dataset has no version {number}." if number else "The dataset has no versions.")


def recipe(versions: Sequence[DatasetVersionRow], number: int | None = None) -> Recipe:
    """How to make the rows of a version, the newest for None."""
    by_number = {version.number: version for version in versions}
    found = version = numbered_version(versions, number)
    edits: list[Edit] = []
    while version.parent is not None:
        if version.edit is not None:
            edits.append(version.edit)
        version = by_number[version.parent]
    return Recipe(found.number, version.reading or {}, tuple(reversed(edits)))


def load_rows(files: FileStore, stored: Mapping[str, StoredFile], made: Recipe) -> Rows:
    """The rows of a version."""
    kind = cast(Kind, made.reading.get("kind", "single"))
    with files.open(stored[ROWS].sha256) as stream:
        train = read_rows(stream, kind)
    evaluation = None
    if EVAL_ROWS in stored:
        with files.open(stored[EVAL_ROWS].sha256) as stream:
            evaluation = read_rows(stream, kind)
    rows = Rows(train, evaluation, _report(made.reading.get("train")), _report(made.reading.get("eval")))
    for edit in made.edits:
        rows = apply_edit(rows, edit)
    return rows


def version_record(row: DatasetVersionRow) -> DatasetVersion:
    """What the service gives out of a version."""
    return DatasetVersion(
        number=row.number,
        note=row.note,
        user_id=row.user_id,
        created_at=row.created_at,
        parent=row.parent,
        overview=None if row.overview is None else _overview(row.overview),
    )


def _overview(values: Mapping[str, Any]) -> DatasetOverview:
    evaluation = values["eval"]
    return DatasetOverview(
        kind=values["kind"],
        train=PartOverview(values["train"]["n_rows"], values["train"]["labels"]),
        evaluation=None if evaluation is None else PartOverview(evaluation["n_rows"], evaluation["labels"]),
        languages=tuple((str(code), float(share)) for code, share in values["languages"]),
        base=values["base"],
        columns=values["columns"],
    )


def _report(values: Any) -> Report:
    return Report.from_dict(values) if values else Report()
