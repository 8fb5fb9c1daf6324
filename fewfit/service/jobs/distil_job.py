"""The job that gives a copy of a version its fast tier."""

import shutil
import threading

from sqlalchemy.orm import Session

from fewfit.classifier import Classifier
from fewfit.errors import InputError
from fewfit.service.datasets.unlabelled import read_texts
from fewfit.service.jobs.training_job import ProgressRecorder, fail_version, rows_of
from fewfit.service.models.distilling import TEXTS_FILE
from fewfit.service.models.model_rows import add_event, answers_owner, promote_version, version_owner
from fewfit.service.store.database import Database
from fewfit.service.store.failpoints import fail_point
from fewfit.service.store.files import FileStore
from fewfit.service.store.queue import Lease
from fewfit.service.store.references import claim, copy_references, files_of
from fewfit.service.store.tables import utc_now
from fewfit.service.store.uploads import store_folder


class DistilJob:
    """Teaches a fast tier on the texts that came with the job, and keeps it where it holds what it promises."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def run(self, lease: Lease, cancel: threading.Event) -> None:
        """Makes the tier. Raises InputError where it cannot keep its promise."""
        with lease.writing() as session:
            row, version = rows_of(session, lease)
            if version.status != "finetuning":
                version.status = "finetuning"
                add_event(session, row.id, version.number, "finetuning")
            source = version_owner(row, int(lease.payload["source"]))
            files = files_of(session, source)
            texts_file = files_of(session, lease.owner)[TEXTS_FILE]
        fail_point("distil.started")
        texts = read_texts(self._files, texts_file)
        folder = self._files.new_folder()
        try:
            for name, file in files.items():
                target = folder / "model" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                self._files.copy_to(file.sha256, target)
            classifier = Classifier.load(folder / "model")
            report = classifier.distil(
                texts,
                max_disagreement=float(lease.payload["max_disagreement"]),
                on_event=ProgressRecorder(lease, version.number),
                cancel=cancel,
            )
            if not report.enabled:
                raise InputError(report.reason)
            classifier.save(folder / "distilled")
            stored = store_folder(self._database, self._files, lease.organization_id, folder / "distilled")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        fail_point("distil.stored")
        with lease.writing() as session:
            row, version = rows_of(session, lease)
            for name, file in stored.items():
                claim(session, version_owner(row, version.number), name, file)
            measured = answers_owner(row, int(lease.payload["source"]))
            # An export is the model in full; the tier is no part of it, so it serves the copy as well.
            copy_references(session, measured, answers_owner(row, version.number))
            version.size_bytes = sum(file.size_bytes for file in stored.values())
            version.status, version.error = "ready", None
            version.updated_at = version.completed_at = utc_now()
            add_event(session, row.id, version.number, "ready")
            if version.promote:
                promote_version(row, version.number)
            lease.finish(session)
        fail_point("distil.finished")

    def give_up(self, session: Session, lease: Lease, reason: str) -> None:
        """Says on the copy why it came to nothing; the version itself is as good as before."""
        fail_version(session, lease, reason)
