"""Stopping a training that somebody no longer wants."""

from fewfit.errors import InputError
from fewfit.service.models.model_rows import add_event, find_model, version_record, versions_of
from fewfit.service.records import CANCELLED, Caller, ModelVersion
from fewfit.service.store.database import Database
from fewfit.service.store.queue import Jobs
from fewfit.service.store.tables import utc_now


def cancel_training(database: Database, jobs: Jobs, caller: Caller, model_id: str) -> ModelVersion:
    """Stops the training of a model's newest version, which then counts as failed; its worker notices within a step."""
    with database.writing() as session:
        row = find_model(session, caller.organization_id, model_id, lock=True)
        version = versions_of(session, row.id)[0]
        if version.status in ("ready", "failed"):
            raise InputError(f"Version {version.number} is {version.status} already; there is nothing to cancel.")
        jobs.cancel(session, row.id, version=version.number)
        version.status, version.error = "failed", CANCELLED
        version.updated_at = version.completed_at = row.updated_at = utc_now()
        add_event(session, row.id, version.number, "failed", user_id=caller.owner_id)
        return version_record(row, version)
