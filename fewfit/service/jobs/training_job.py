"""The job that trains a version of a model, measures it and keeps it."""

import logging
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete
from sqlalchemy.orm import Session

from fewfit.classifier import Classifier
from fewfit.data import Dataset, Kind
from fewfit.errors import Cancelled, InputError
from fewfit.service.datasets.datasets import dataset_owner, find_dataset
from fewfit.service.datasets.holdout import hold_out, least_held_out
from fewfit.service.datasets.unlabelled import UNLABELLED, read_texts
from fewfit.service.errors import DatabaseError, LostLeaseError, WaitingError
from fewfit.service.models.answers import ANSWERS_FILE, Answers
from fewfit.service.models.hyperparameters import training_settings
from fewfit.service.models.model_rows import add_event, answers_owner, promote_version, version_owner, versions_of
from fewfit.service.models.models import trainable
from fewfit.service.models.quality import named_for_users, quality_report
from fewfit.service.records import DATASET_TYPES, DatasetType, Hyperparameters, StoredFile
from fewfit.service.store.database import Database
from fewfit.service.store.failpoints import fail_point
from fewfit.service.store.files import FileStore
from fewfit.service.store.parts import read_part
from fewfit.service.store.queue import Lease
from fewfit.service.store.references import claim, copy_references, files_of
from fewfit.service.store.tables import ModelRow, StepMetricsRow, VersionRow, utc_now
from fewfit.service.store.uploads import store_file, store_folder
from fewfit.settings import Settings

if TYPE_CHECKING:
    from fewfit.training import Effort, Evaluation, Event
    from fewfit.training.evaluation import EvaluatedOn

logger = logging.getLogger(__name__)

_SEED = 0
# Progress is written this often; a step of a small model takes milliseconds.
_PROGRESS_EVERY_S = 0.5
_MOST_LOSSES = 300


class TrainingJob:
    """Trains one version of a model."""

    def __init__(self, database: Database, files: FileStore, settings: Settings) -> None:
        self._database = database
        self._files = files
        self._settings = settings

    def run(self, lease: Lease, cancel: threading.Event) -> None:
        """Trains on the training part, measures on the evaluation part, and stores the artifact.

        Raises Cancelled where `cancel` is set, LostLeaseError where the job is no longer this worker's.
        """
        self._files.check()  # nothing is trained that could not be kept
        with lease.writing() as session:
            row, version = rows_of(session, lease)
            _take_dataset(session, lease, row, version)
            if version.status != "finetuning":
                version.status = "finetuning"
                add_event(session, row.id, version.number, "finetuning")
            version.updated_at = utc_now()
            session.execute(
                delete(StepMetricsRow).where(
                    StepMetricsRow.model_id == row.id, StepMetricsRow.version == version.number
                )
            )
            parts = files_of(session, lease.owner)
            unlabelled = files_of(session, answers_owner(row, version.number)).get(UNLABELLED)
            measured_before = _answers_before(session, row, version.number)
        fail_point("train.started")
        train, held_out, evaluated_on = self._data(parts, cast(Kind, row.kind), self._effort(version), measured_before)
        fail_point("train.read")
        others = [] if unlabelled is None else read_texts(self._files, unlabelled)
        classifier, warnings = self._fit(row, version, train, others, lease, cancel)
        fail_point("train.fitted")
        if held_out is None:
            evaluation = classifier.insight_.cross_validation
        else:
            evaluation = classifier.evaluate(held_out.texts, held_out.targets)
            evaluation = replace(evaluation, evaluated_on=evaluated_on)
        report = {}
        answers = None
        if evaluation is None:
            warnings.append("Nothing was measured: no rows could be held out, since the texts are all alike.")
        else:
            report = quality_report(evaluation, classifier.decision_, classifier.insight_, train.rows)
            answers = self._store_answers(answers_of(classifier, held_out, evaluated_on), row)
        if others:
            record = classifier.manifest_.training
            report = {**report, "unlabelled": {name: record[name] for name in ("n_unlabelled", "n_pseudo_labelled")}}
        stored = self._store(classifier, row)
        fail_point("train.stored")
        with lease.writing() as session:
            row, version = rows_of(session, lease)
            owner = version_owner(row, version.number)
            for name, file in stored.items():
                claim(session, owner, name, file)
            # What it was trained on stays with the version, as the reasons for its answers.
            copy_references(session, lease.owner, answers_owner(row, version.number), roles=("train",))
            if answers is not None:
                claim(session, answers_owner(row, version.number), ANSWERS_FILE, answers)
            if evaluation is not None:
                self._keep_metrics(session, version, evaluation, classifier)
            version.report = report
            version.labels = list(classifier.manifest_.labels)
            version.warnings = [*warnings, *classifier.warnings_]
            version.size_bytes = sum(file.size_bytes for file in stored.values())
            version.status, version.error = "ready", None
            version.updated_at = version.completed_at = utc_now()
            add_event(session, row.id, version.number, "ready")
            if version.promote or row.promoted_version is None:
                promote_version(row, version.number)
            lease.finish(session)
            fail_point("train.finishing")
        fail_point("train.finished")

    def give_up(self, session: Session, lease: Lease, reason: str) -> None:
        """Says on the version why it could not be trained."""
        fail_version(session, lease, reason)

    def _effort(self, version: VersionRow) -> str:
        return str(version.hyperparameters.get("effort") or self._settings.effort)

    def _data(
        self, files: dict[str, StoredFile], kind: Kind, effort: str, before: StoredFile | None
    ) -> tuple[Dataset, Dataset | None, "EvaluatedOn"]:
        """What is trained on and what it is measured on: the evaluation part, a part held out, or None.

        None means cross-validation on the training part.
        """
        parts = {}
        for name, file in files.items():
            with self._files.open(file.sha256) as stream:
                parts[name] = read_part(stream, kind)
        train = parts["train"]
        if "eval" in parts:
            return train, parts["eval"], "eval"
        if len(train) < least_held_out(self._settings, effort):
            return train, None, "cross_validation"
        known: tuple[str, ...] = ()
        if before is not None:
            with self._files.open(before.sha256) as stream:
                answers = Answers.read(stream)
            known = answers.texts if answers.evaluated_on == "held_out" else ()
        train, held_out = hold_out(train, eval_fraction=self._settings.eval_fraction, before=known, seed=_SEED)
        return train, held_out if len(held_out) else None, "held_out"

    def _fit(
        self,
        row: ModelRow,
        version: VersionRow,
        train: Dataset,
        unlabelled: Sequence[str],
        lease: Lease,
        cancel: threading.Event,
    ) -> tuple[Classifier, list[str]]:
        settings, warnings = training_settings(
            Hyperparameters(**version.hyperparameters), effort=self._effort(version), n_texts=len(train)
        )
        classifier = Classifier(
            row.base,
            effort=cast("Effort", self._effort(version)),
            seed=_SEED,
            max_length=self._settings.max_length or None,
            settings=settings,
        )
        recorder = ProgressRecorder(lease, version.number)
        classifier.fit(train.texts, train.targets, unlabelled=unlabelled, on_event=recorder, cancel=cancel)
        return classifier, warnings

    def _store(self, classifier: Classifier, row: ModelRow) -> dict[str, StoredFile]:
        folder = self._files.new_folder()
        try:
            classifier.save(folder / "model")
            fail_point("train.saved")
            return store_folder(self._database, self._files, row.organization_id, folder / "model")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _store_answers(self, answers: Answers, row: ModelRow) -> StoredFile:
        folder = self._files.new_folder()
        try:
            (folder / ANSWERS_FILE).write_bytes(answers.write())
            return self._store_file(folder / ANSWERS_FILE, row.organization_id)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _store_file(self, path: Path, organization_id: str) -> StoredFile:
        return store_file(self._database, self._files, organization_id, path, path.name)

    def _keep_metrics(
        self, session: Session, version: VersionRow, evaluation: "Evaluation", classifier: Classifier
    ) -> None:
        """The untuned base is step 0, the trained model the last step."""
        version.metrics = named_for_users(evaluation.metrics.numbers())
        version.base_metrics = named_for_users(evaluation.frozen.numbers()) if evaluation.frozen else {}
        last_step = max(1, int(classifier.manifest_.training["steps"]))
        for step, metrics in ((0, version.base_metrics), (last_step, version.metrics)):
            if metrics:
                keep_step(session, version, step, dict(metrics))


class ProgressRecorder:
    """Writes what happens during training as it happens; ends training when the lease is lost."""

    def __init__(self, lease: Lease, version: int) -> None:
        self._lease = lease
        self._version = version
        self._written_s = 0.0
        self._stage = ""
        self._losses: list[tuple[int, float]] = []

    def __call__(self, event: "Event") -> None:
        """Takes an event; most are only remembered."""
        fail_point("train.step")
        if event.loss is not None:
            self._losses.append((event.step, round(event.loss, 5)))
            if len(self._losses) > _MOST_LOSSES:
                # Every other one: the curve keeps its shape.
                self._losses = self._losses[::2]
        metrics = named_for_users(event.metrics)
        now_s = time.monotonic()
        if event.stage == self._stage and not metrics and now_s - self._written_s < _PROGRESS_EVERY_S:
            return
        self._stage, self._written_s = event.stage, now_s
        try:
            with self._lease.writing() as session:
                _, version = rows_of(session, self._lease)
                version.progress = self._progress(event)
                if metrics:
                    keep_step(session, version, event.step, metrics)
        except LostLeaseError as error:
            raise Cancelled from error
        except DatabaseError:
            logger.warning("The progress of model %s could not be written; training goes on", self._lease.subject_id)

    def _progress(self, event: "Event") -> dict[str, Any]:
        return {
            "stage": event.stage,
            "step": event.step,
            "total_steps": event.total_steps,
            "elapsed_s": round(event.elapsed_s, 2),
            "remaining_s": None if event.remaining_s is None else round(event.remaining_s, 2),
            "losses": [list(point) for point in self._losses],
        }


def keep_step(session: Session, version: VersionRow, step: int, metrics: dict[str, float]) -> None:
    """Keeps the figures of a step, instead of those that were there."""
    session.execute(
        delete(StepMetricsRow).where(
            StepMetricsRow.model_id == version.model_id,
            StepMetricsRow.version == version.number,
            StepMetricsRow.step_number == step,
        )
    )
    session.add(
        StepMetricsRow(
            model_id=version.model_id,
            version=version.number,
            step_number=step,
            metrics=metrics,
            created_at=utc_now(),
        )
    )


def answers_of(classifier: Classifier, held_out: Dataset | None, evaluated_on: str) -> Answers:
    """What the classifier, or models like it, answered to texts that they were not trained on."""
    if held_out is not None:
        confidences = classifier.predict_proba(held_out.texts)
        return Answers.of(held_out, classifier.decision_, confidences, evaluated_on)
    insight = classifier.insight_
    assert insight.out_of_fold is not None, "it was cross-validated"
    targets = insight.targets
    confidences, _ = insight.out_of_fold.answers(targets, tuned=insight.tuned)
    return Answers(targets.kind, targets.labels, tuple(insight.texts), targets.matrix, confidences, evaluated_on)


def _answers_before(session: Session, row: ModelRow, number: int) -> StoredFile | None:
    """The answers of the newest version before this one that has some."""
    for version in versions_of(session, row.id):
        if version.number < number:
            found = files_of(session, answers_owner(row, version.number)).get(ANSWERS_FILE)
            if found is not None:
                return found
    return None


def _take_dataset(session: Session, lease: Lease, row: ModelRow, version: VersionRow) -> None:
    """Takes hold of the dataset's files where it was still being checked when the training was queued.

    Raises WaitingError while it is, InputError where it cannot be trained on.
    """
    if files_of(session, lease.owner):
        return
    dataset = find_dataset(session, lease.organization_id, version.dataset_id, lock=True)
    if dataset.status in ("queued", "processing"):
        raise WaitingError(f"The dataset {dataset.id} is being checked.")
    kind = DATASET_TYPES[cast(DatasetType, dataset.type)]
    if kind != row.kind:
        raise InputError(f"The model is {row.kind}-label and the dataset {dataset.id} is now {kind}-label.")
    copy_references(session, dataset_owner(trainable(dataset)), lease.owner, roles=("train", "eval"))


def fail_version(session: Session, lease: Lease, reason: str) -> None:
    """Says on the version that a job was to make why there is none."""
    version = session.get(VersionRow, (lease.subject_id, lease.payload["version"]))
    if version is None:
        return
    version.status, version.error = "failed", reason
    version.updated_at = version.completed_at = utc_now()
    add_event(session, version.model_id, version.number, "failed")


def rows_of(session: Session, lease: Lease) -> tuple[ModelRow, VersionRow]:
    """The model and the version that a job is about."""
    row = session.get(ModelRow, lease.subject_id)
    version = session.get(VersionRow, (lease.subject_id, lease.payload["version"]))
    assert row is not None, "deleting a model cancels its jobs"
    assert version is not None, "versions go with their model"
    return row, version
