"""Fast tiers: asked for with unlabelled texts, made by a worker as a version of its own."""

from collections.abc import Sequence
from typing import Final

from fewfit.errors import InputError
from fewfit.service.datasets.unlabelled import check_texts, keep_texts
from fewfit.service.errors import NotReadyError
from fewfit.service.models.model_rows import (
    add_event,
    current_version,
    find_model,
    numbered,
    version_record,
    versions_of,
)
from fewfit.service.records import Caller, ModelVersion
from fewfit.service.store.database import Database
from fewfit.service.store.failpoints import fail_point
from fewfit.service.store.files import FileStore
from fewfit.service.store.queue import Jobs
from fewfit.service.store.references import Owner, claim
from fewfit.service.store.tables import VersionRow, utc_now

TEXTS_FILE: Final = "texts.json"
# What `fewfit.training.distilling` needs at least; importing it here would load torch into the server.
LEAST_TEXTS: Final = 300


class Distillations:
    """Gives versions a fast tier."""

    def __init__(self, database: Database, files: FileStore, jobs: Jobs) -> None:
        self._database = database
        self._files = files
        self._jobs = jobs

    def create(
        self,
        caller: Caller,
        model_id: str,
        texts: Sequence[str],
        *,
        max_disagreement: float = 0.01,
        version: int | None = None,
        promote: bool = False,
    ) -> ModelVersion:
        """Queues a copy of a version with a fast tier (scope train), of the one that answers unless told otherwise.

        `texts` are unlabelled ones such as the model will be asked. With `promote` the copy answers as soon as it
        is ready. It fails, and says why, where the tier would change more than `max_disagreement` of all answers.
        """
        caller.require("train")
        _check(texts, max_disagreement)
        with self._database.reading() as session:
            find_model(session, caller.organization_id, model_id)  # before anything is stored
        stored = keep_texts(self._database, self._files, caller.organization_id, texts)
        with self._database.writing() as session:
            row = find_model(session, caller.organization_id, model_id, lock=True)
            versions = versions_of(session, row.id)
            source = current_version(row, versions) if version is None else numbered(versions, version)
            if source.status != "ready":
                raise NotReadyError(f"Version {source.number} is {source.status}; only a ready one gets a fast tier.")
            new = _copy(source, versions[0].number + 1, promote=promote)
            session.add(new)
            session.flush()
            add_event(session, row.id, new.number, "queued", user_id=caller.owner_id)
            payload = {"version": new.number, "source": source.number, "max_disagreement": max_disagreement}
            job_id = self._jobs.enqueue(session, "distil", row.organization_id, row.id, payload)
            claim(session, Owner("job", job_id, row.organization_id), TEXTS_FILE, stored)
            row.updated_at = utc_now()
            record = version_record(row, new)
        fail_point("distil.queued")
        return record


def _check(texts: Sequence[str], max_disagreement: float) -> None:
    if not 0 < max_disagreement < 1:
        raise InputError(f"max_disagreement is {max_disagreement}; expected a share between 0 and 1, such as 0.01.")
    check_texts(texts, "texts", least=LEAST_TEXTS)


def _copy(source: VersionRow, number: int, *, promote: bool) -> VersionRow:
    now = utc_now()
    return VersionRow(
        model_id=source.model_id,
        number=number,
        status="queued",
        dataset_id=source.dataset_id,
        hyperparameters=source.hyperparameters,
        promote=promote,
        made_from=source.number,
        note=f"Version {source.number} with a fast tier.",
        error=None,
        labels=source.labels,
        warnings=[],
        metrics=source.metrics,
        base_metrics=source.base_metrics,
        report=source.report,
        progress=None,
        size_bytes=0,
        created_at=now,
        updated_at=now,
        completed_at=None,
    )
