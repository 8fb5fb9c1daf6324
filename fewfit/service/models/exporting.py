"""Models as ONNX files: asked for, made by a worker, kept with their version, given out."""

from typing import Final, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from fewfit.errors import InputError
from fewfit.service.errors import NotFoundError, NotReadyError
from fewfit.service.models.model_rows import answers_owner, current_version, find_model, numbered, versions_of
from fewfit.service.names import new_slug
from fewfit.service.records import Caller, Export, ExportPrecision, ExportStatus, OpenedFile, StoredFile
from fewfit.service.store.database import Database
from fewfit.service.store.failpoints import fail_point
from fewfit.service.store.files import FileStore
from fewfit.service.store.queue import Jobs
from fewfit.service.store.references import files_of
from fewfit.service.store.tables import JobRow, ModelRow, VersionRow

ONNX_FILE: Final = "model.onnx"
PRECISIONS: Final[tuple[ExportPrecision, ...]] = get_args(ExportPrecision)
_STATUS: dict[str, ExportStatus] = {"queued": "queued", "running": "running", "failed": "failed"}


class Exports:
    """Versions as self-contained ONNX files. Nothing is made twice: a file stays with its version."""

    def __init__(self, database: Database, files: FileStore, jobs: Jobs) -> None:
        self._database = database
        self._files = files
        self._jobs = jobs

    def create(
        self, caller: Caller, model_id: str, *, precision: ExportPrecision | str = "fp32", version: int | None = None
    ) -> Export:
        """Queues an export (scope train), of the version that answers unless told otherwise.

        One that was made, or is on its way, is given back as it is; one that failed is tried again.
        """
        caller.require("train")
        wanted = _checked(precision)
        with self._database.writing() as session:
            row, found = _version(session, caller, model_id, version, lock=True)
            if found.status != "ready":
                raise NotReadyError(f"Version {found.number} is {found.status}; only a ready one can be exported.")
            export = self._find(session, row, found, wanted)
            if export is None or export.status == "failed":
                payload = {"version": found.number, "precision": wanted}
                self._jobs.enqueue(session, "export", row.organization_id, row.id, payload)
                export = self._find(session, row, found, wanted)
            assert export is not None, "it was queued just now"
        fail_point("export.queued")
        return export

    def list(self, caller: Caller, model_id: str) -> tuple[Export, ...]:
        """The exports of all versions (scope read), newest version first."""
        caller.require("read")
        with self._database.reading() as session:
            row = find_model(session, caller.organization_id, model_id)
            found = [
                self._find(session, row, version, precision)
                for version in versions_of(session, row.id)
                for precision in PRECISIONS
            ]
        return tuple(export for export in found if export is not None)

    def get(
        self, caller: Caller, model_id: str, *, precision: ExportPrecision | str, version: int | None = None
    ) -> Export:
        """One export (scope read). Raises NotFoundError where it was never asked for."""
        caller.require("read")
        with self._database.reading() as session:
            row, found = _version(session, caller, model_id, version)
            export = self._find(session, row, found, _checked(precision))
        if export is None:
            raise NotFoundError(
                f"Version {found.number} of {row.id} was not exported in {precision}. Ask for it first."
            )
        return export

    def open(
        self, caller: Caller, model_id: str, *, precision: ExportPrecision | str, version: int | None = None
    ) -> OpenedFile:
        """The file (scope read). Raises NotFoundError, or NotReadyError while it is being made."""
        export = self.get(caller, model_id, precision=precision, version=version)
        if export.status != "ready":
            why = f" {export.error}" if export.error else ""
            raise NotReadyError(f"The export is not ready: it is {export.status}.{why}")
        with self._database.reading() as session:
            row, found = _version(session, caller, model_id, export.version)
            file = _made(session, row, found, export.precision)
            name = f"{new_slug(row.name, 'model')}-v{found.number}-{export.precision}.onnx"
        assert file is not None, "it is ready"
        return OpenedFile(name, "application/octet-stream", file.size_bytes, self._files.chunks(file.sha256))

    def _find(self, session: Session, row: ModelRow, version: VersionRow, precision: ExportPrecision) -> Export | None:
        job = newest_job(session, row.id, version.number, precision)
        file = _made(session, row, version, precision)
        if file is None and (job is None or job.state not in _STATUS):
            return None
        return Export(
            model_id=row.id,
            version=version.number,
            precision=precision,
            status="ready" if file is not None or job is None else _STATUS[job.state],
            error=None if file is not None or job is None else job.error,
            size_bytes=0 if file is None else file.size_bytes,
            p99_difference=None if job is None else job.payload.get("p99_difference"),
        )


def export_role(precision: ExportPrecision) -> str:
    """What the file of an export is called among those of its version."""
    return ONNX_FILE if precision == "fp32" else f"model-{precision}.onnx"


def newest_job(session: Session, model_id: str, version: int, precision: ExportPrecision) -> JobRow | None:
    """The job that was last asked for this export."""
    rows = session.scalars(
        select(JobRow)
        .where(JobRow.subject_id == model_id, JobRow.kind == "export")
        .order_by(JobRow.created_at.desc(), JobRow.id)
    )
    wanted = (version, precision)
    return next((row for row in rows if (row.payload["version"], row.payload["precision"]) == wanted), None)


def _made(session: Session, row: ModelRow, version: VersionRow, precision: ExportPrecision) -> StoredFile | None:
    return files_of(session, answers_owner(row, version.number)).get(export_role(precision))


def _version(
    session: Session, caller: Caller, model_id: str, number: int | None, *, lock: bool = False
) -> tuple[ModelRow, VersionRow]:
    row = find_model(session, caller.organization_id, model_id, lock=lock)
    versions = versions_of(session, row.id)
    return row, current_version(row, versions) if number is None else numbered(versions, number)


def _checked(precision: str) -> ExportPrecision:
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision[:40]!r}; expected one of {', '.join(PRECISIONS)}.")
    return precision
