"""The job that writes a version as one ONNX file."""

import shutil
import threading
from typing import cast

from sqlalchemy.orm import Session

from fewfit.service.errors import LostLeaseError
from fewfit.service.models.exporting import export_role
from fewfit.service.models.model_rows import answers_owner, version_owner
from fewfit.service.records import ExportPrecision
from fewfit.service.store.database import Database
from fewfit.service.store.failpoints import fail_point
from fewfit.service.store.files import FileStore
from fewfit.service.store.queue import Lease
from fewfit.service.store.references import claim, files_of
from fewfit.service.store.tables import JobRow, ModelRow
from fewfit.service.store.uploads import store_file


class ExportJob:
    """Exports a version; the file is compared with the trained model before it is kept."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def run(self, lease: Lease, cancel: threading.Event) -> None:
        """Writes the file and keeps it with the version. Raises ArtifactError where it would answer differently."""
        del cancel  # it takes seconds, and what a cancelled one writes is not kept
        from fewfit.serving import export_onnx

        precision = cast(ExportPrecision, lease.payload["precision"])
        role = export_role(precision)
        number = int(lease.payload["version"])
        with lease.writing() as session:
            row = _row(session, lease)
            files = files_of(session, version_owner(row, number))
        fail_point("export.started")
        folder = self._files.new_folder()
        try:
            for name, file in files.items():
                target = folder / "model" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                self._files.copy_to(file.sha256, target)
            parity = export_onnx(folder / "model", folder / role, precision=precision)
            fail_point("export.written")
            made = store_file(self._database, self._files, lease.organization_id, folder / role, role)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        fail_point("export.stored")
        with lease.writing() as session:
            owner = answers_owner(_row(session, lease), number)
            if role not in files_of(session, owner):
                claim(session, owner, role, made)
            job = session.get_one(JobRow, lease.job_id)
            job.payload = {**job.payload, "p99_difference": parity.p99_difference}
            lease.finish(session)
            fail_point("export.finishing")
        fail_point("export.finished")

    def give_up(self, session: Session, lease: Lease, reason: str) -> None:
        """The job itself keeps the reason; the version is as good as before."""


def _row(session: Session, lease: Lease) -> ModelRow:
    row = session.get(ModelRow, lease.subject_id)
    if row is None:
        raise LostLeaseError
    return row
