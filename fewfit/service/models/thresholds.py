"""Versions of a multilabel model that differ in nothing but their thresholds: saved in a moment, without training."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from fewfit.artifact import MANIFEST_FILE, with_thresholds
from fewfit.errors import InputError
from fewfit.service.errors import NotReadyError
from fewfit.service.models.answers import ANSWERS_FILE, Answers
from fewfit.service.models.model_rows import (
    add_event,
    answers_owner,
    current_version,
    find_model,
    numbered,
    version_owner,
    version_record,
    versions_of,
)
from fewfit.service.models.models import Models
from fewfit.service.models.quality import named_for_users, report_of_answers
from fewfit.service.records import Caller, ModelVersion, StoredFile
from fewfit.service.store.database import Database
from fewfit.service.store.files import FileStore
from fewfit.service.store.references import claim, copy_references, files_of
from fewfit.service.store.tables import ModelRow, VersionRow, utc_now
from fewfit.service.store.uploads import store_file

LONGEST_NOTE: Final = 2000


class Thresholds:
    """Makes versions with other thresholds, and keeps what people note about versions."""

    def __init__(self, database: Database, files: FileStore, models: Models) -> None:
        self._database = database
        self._models = models
        self._files = files

    def save(
        self,
        caller: Caller,
        model_id: str,
        thresholds: Mapping[str, float],
        *,
        version: int | None = None,
        promote: bool = False,
        note: str = "",
    ) -> ModelVersion:
        """A new version that gives each named label from its threshold on (scope train).

        It is a copy of `version` (the one that answers, by default), measured again on the same texts. Raises
        InputError for single-label models, unknown labels, values outside 0 to 1 and where nothing would change.
        """
        caller.require("train")
        note = _checked_note(note)
        with self._database.reading() as session:
            row, source = _ready_version(session, caller, model_id, version)
            files = files_of(session, version_owner(row, source.number))
            answers_file = files_of(session, answers_owner(row, source.number)).get(ANSWERS_FILE)
        with self._files.open(files[MANIFEST_FILE].sha256) as stream:
            manifest, before, after = with_thresholds(stream.read(), thresholds)
        if before == after:
            raise InputError("These are the thresholds that the version has already; change one to save a new version.")
        answers = self._answers(answers_file)
        stored = self._store(row.organization_id, manifest)
        with self._database.writing() as session:
            row = find_model(session, caller.organization_id, model_id, lock=True)
            versions = versions_of(session, row.id)
            source = numbered(versions, source.number)
            new = _copy(source, versions[0].number + 1, note, list(after.values()), answers)
            new.size_bytes = source.size_bytes - files[MANIFEST_FILE].size_bytes + stored.size_bytes
            session.add(new)
            session.flush()
            same = [name for name in files if name != MANIFEST_FILE]
            copy_references(session, version_owner(row, source.number), version_owner(row, new.number), same)
            claim(session, version_owner(row, new.number), MANIFEST_FILE, stored)
            kept = [name for name in files_of(session, answers_owner(row, source.number)) if not name.endswith(".onnx")]
            # An export has thresholds inside; those of the new version are others.
            copy_references(session, answers_owner(row, source.number), answers_owner(row, new.number), kept)
            add_event(session, row.id, new.number, "ready", user_id=caller.owner_id)
            row.updated_at = utc_now()
            record = version_record(row, new)
        if promote:
            self._models.promote(caller, row.id, record.number)
        return replace(record, promoted=promote)

    def annotate(self, caller: Caller, model_id: str, version: int, note: str) -> ModelVersion:
        """Notes something about a version (scope train); an empty note takes it away."""
        caller.require("train")
        note = _checked_note(note)
        with self._database.writing() as session:
            row = find_model(session, caller.organization_id, model_id, lock=True)
            found = numbered(versions_of(session, row.id), version)
            found.note = note
            return version_record(row, found)

    def _answers(self, file: StoredFile | None) -> Answers | None:
        if file is None:
            return None
        with self._files.open(file.sha256) as stream:
            return Answers.read(stream)

    def _store(self, organization_id: str, manifest: bytes) -> StoredFile:
        stream, path = self._files.new_file()
        with stream:
            stream.write(manifest)
        try:
            return store_file(self._database, self._files, organization_id, path, Path(MANIFEST_FILE).name)
        finally:
            path.unlink(missing_ok=True)


def _ready_version(session: Session, caller: Caller, model_id: str, number: int | None) -> tuple[ModelRow, VersionRow]:
    row = find_model(session, caller.organization_id, model_id)
    versions = versions_of(session, row.id)
    found = current_version(row, versions) if number is None else numbered(versions, number)
    if row.kind != "multi":
        raise InputError("This is a single-label model: it gives its most confident label and has no thresholds.")
    if found.status != "ready":
        raise NotReadyError(f"Version {found.number} is {found.status}; only a ready one has thresholds to change.")
    return row, found


def _copy(source: VersionRow, number: int, note: str, thresholds: list[float], answers: Answers | None) -> VersionRow:
    now = utc_now()
    metrics: dict[str, Any] = {}
    report: dict[str, Any] = {"thresholds": thresholds, "labels": source.labels}
    if answers is not None:
        report = report_of_answers(answers, thresholds, source.report)
        metrics = named_for_users(report["metrics"])
    return VersionRow(
        model_id=source.model_id,
        number=number,
        status="ready",
        dataset_id=source.dataset_id,
        hyperparameters=source.hyperparameters,
        promote=False,
        made_from=source.number,
        note=note,
        error=None,
        labels=source.labels,
        warnings=source.warnings,
        metrics=metrics,
        base_metrics=source.base_metrics,
        # Through JSON, as it will be read: what a report holds of numpy must not reach the database.
        report=json.loads(json.dumps(report, default=float)),
        progress=source.progress,
        size_bytes=source.size_bytes,
        created_at=now,
        updated_at=now,
        completed_at=now,
    )


def _checked_note(note: str) -> str:
    kept = note.replace("\0", "�").replace("\r\n", "\n").strip()
    if len(kept) > LONGEST_NOTE:
        raise InputError(f"The note has {len(kept):,} characters; at most {LONGEST_NOTE:,} are allowed.")
    return kept
