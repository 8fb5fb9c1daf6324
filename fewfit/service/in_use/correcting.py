"""Corrections: what people say of wrong answers and wrong labels, kept until it joins the training data."""

import logging
import uuid
from collections.abc import Iterable, Sequence
from typing import Final, cast, get_args

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from fewfit.data import Kind
from fewfit.errors import InputError
from fewfit.service.datasets.editing import Editing
from fewfit.service.datasets.edits import MOST_ADDED, UnchangedError
from fewfit.service.errors import LimitError, NotFoundError
from fewfit.service.in_use.reviewing import digest_of
from fewfit.service.models.answers import ANSWERS_FILE, Answers
from fewfit.service.models.model_rows import answers_owner, current_version, find_model, versions_of
from fewfit.service.models.models import Models
from fewfit.service.names import check_unicode
from fewfit.service.records import Caller, ModelVersion, StoredFile
from fewfit.service.records_in_use import Correction, CorrectionSource, CorrectionState
from fewfit.service.store.database import Database
from fewfit.service.store.files import FileStore
from fewfit.service.store.parts import is_shortened, read_part, shortened
from fewfit.service.store.references import files_of
from fewfit.service.store.tables import CorrectionRow, ModelRow, utc_now

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 5000
LONGEST_CHARACTERS: Final = 100_000


class Corrections:
    """Corrections of a model's answers and data. Each belongs to a text; a newer one takes the place of an older."""

    def __init__(self, database: Database, files: FileStore, editing: Editing, models: Models) -> None:
        self._database = database
        self._files = files
        self._editing = editing
        self._models = models

    def add(
        self,
        caller: Caller,
        model_id: str,
        text: str,
        labels: Sequence[str],
        *,
        given: Sequence[str] = (),
        source: CorrectionSource = "try",
    ) -> Correction:
        """Keeps the right labels of a text (scope train); `given` are the wrong ones, of the model or of the data.

        A text as a report has it, shortened, stands for the whole one. Raises InputError for labels that the model does
        not know.
        """
        caller.require("train")
        kept = _checked_text(text)
        if source not in get_args(CorrectionSource):
            raise InputError(f"The source is {source!r}; expected one of {', '.join(get_args(CorrectionSource))}.")
        if is_shortened(kept):
            kept = self._whole(caller, model_id, kept)
        with self._database.writing() as session:
            model = find_model(session, caller.organization_id, model_id, lock=True)
            chosen = _checked_labels(session, model, labels)
            # Where the data were right all along, nothing has to be changed in them.
            same = source == "suspect" and set(chosen) == set(given)
            return _record(
                _put(session, caller, model, kept, chosen, given, source, "confirmed" if same else "waiting")
            )

    def remove(self, caller: Caller, model_id: str, correction_id: str) -> None:
        """Takes back a correction that has not joined a dataset yet (scope train)."""
        caller.require("train")
        with self._database.writing() as session:
            model = find_model(session, caller.organization_id, model_id)
            row = session.scalar(
                select(CorrectionRow).where(
                    CorrectionRow.id == correction_id.replace("\0", ""), CorrectionRow.model_id == model.id
                )
            )
            if row is None:
                raise NotFoundError(f"There is no correction {correction_id!r}.")
            if row.state == "applied":
                raise InputError(f"The correction is in the dataset {row.dataset_id} already. Edit that.")
            session.delete(row)

    def join(self, caller: Caller, model_id: str) -> tuple[str, int]:
        """Puts what waits into the dataset of the newest version, as a new version of the dataset (scope train).

        Gives the dataset's id and how many corrections joined it: the oldest 2,000, or all where there are fewer.
        Texts that are in the dataset get the right labels, others are added. Raises NotFoundError where the dataset
        was deleted, InputError where nothing waits.
        """
        caller.require("train")
        with self._database.reading() as session:
            model = find_model(session, caller.organization_id, model_id)
            dataset_id = versions_of(session, model.id)[0].dataset_id
            waiting = _waiting(session, model.id)
        if not waiting:
            raise InputError("No corrections wait. Correct an answer or a label first.")
        examples = [{"text": one.text, "labels": list(one.labels)} for one in waiting]
        try:
            self._editing.edit(caller, dataset_id, {"op": "correct", "examples": examples})
        except UnchangedError:
            logger.info("The dataset %s has the corrections of model %s already", dataset_id, model.id)
        with self._database.writing() as session:
            for one in waiting:
                row = session.get(CorrectionRow, one.id)
                # One that was changed in the meantime waits for the next time.
                if row is not None and tuple(row.labels) == one.labels:
                    row.state, row.dataset_id = "applied", dataset_id
        return dataset_id, len(waiting)

    def retrain(self, caller: Caller, model_id: str, *, promote: bool = False) -> ModelVersion:
        """Puts what waits into the dataset and queues a version that is trained on it (scope train)."""
        dataset_id, count = self.join(caller, model_id)
        note = f"With {count:,} {'correction' if count == 1 else 'corrections'}"
        return self._models.retrain(caller, model_id, dataset_id=dataset_id, promote=promote, wait=True, note=note)

    def _whole(self, caller: Caller, model_id: str, text: str) -> str:
        """The text of the training or evaluation data that a report shows shortened; itself where there is none."""
        with self._database.reading() as session:
            model = find_model(session, caller.organization_id, model_id)
            files = _same_files(
                files_of(session, answers_owner(model, version.number)) for version in versions_of(session, model.id)
            )
            kind = cast(Kind, model.kind)
        for role, file in files:
            with self._files.open(file.sha256) as stream:
                texts = read_part(stream, kind).texts if role == "train" else Answers.read(stream).texts
            for whole in texts:
                if shortened(whole) == text:
                    return whole
        return text

    def list(
        self, caller: Caller, model_id: str, *, state: CorrectionState | None = None, limit: int = MOST_WAITING
    ) -> tuple[Correction, ...]:
        """A model's corrections (scope read), newest first."""
        caller.require("read")
        with self._database.reading() as session:
            model = find_model(session, caller.organization_id, model_id)
            statement = select(CorrectionRow).where(CorrectionRow.model_id == model.id)
            if state is not None:
                statement = statement.where(CorrectionRow.state == state)
            order = (CorrectionRow.created_at.desc(), CorrectionRow.id)
            return tuple(_record(row) for row in session.scalars(statement.order_by(*order).limit(max(0, limit))))

    def n_waiting(self, caller: Caller, model_id: str) -> int:
        """How many corrections have not joined a dataset yet (scope read)."""
        caller.require("read")
        with self._database.reading() as session:
            model = find_model(session, caller.organization_id, model_id)
            return _n_waiting(session, model)


def _same_files(files: Iterable[dict[str, StoredFile]]) -> list[tuple[str, StoredFile]]:
    """The files that hold texts, each content once, with its role."""
    found: dict[str, tuple[str, StoredFile]] = {}
    for owned in files:
        for role in ("train", ANSWERS_FILE):
            if role in owned:
                found.setdefault(owned[role].sha256, (role, owned[role]))
    return list(found.values())


def _waiting(session: Session, model_id: str) -> list[Correction]:
    """What has not joined a dataset yet, oldest first, as much as one edit takes."""
    rows = session.scalars(
        select(CorrectionRow)
        .where(CorrectionRow.model_id == model_id, CorrectionRow.state == "waiting")
        .order_by(CorrectionRow.created_at, CorrectionRow.id)
        .limit(MOST_ADDED)
    )
    return [_record(row) for row in rows]


def _put(
    session: Session,
    caller: Caller,
    model: ModelRow,
    text: str,
    labels: tuple[str, ...],
    given: Sequence[str],
    source: CorrectionSource,
    state: CorrectionState,
) -> CorrectionRow:
    digest = digest_of(text)
    session.execute(delete(CorrectionRow).where(CorrectionRow.model_id == model.id, CorrectionRow.digest == digest))
    if state == "waiting" and _n_waiting(session, model) >= MOST_WAITING:
        raise LimitError(f"{MOST_WAITING:,} corrections wait, the most that may. Train with them first.")
    row = CorrectionRow(
        id=str(uuid.uuid4()),
        organization_id=caller.organization_id,
        model_id=model.id,
        text=text,
        digest=digest,
        labels=list(labels),
        given=[str(label) for label in given],
        source=source,
        state=state,
        dataset_id=None,
        created_by=caller.owner_id,
        created_at=utc_now(),
    )
    session.add(row)
    session.flush()
    return row


def _n_waiting(session: Session, model: ModelRow) -> int:
    statement = (
        select(func.count())
        .select_from(CorrectionRow)
        .where(CorrectionRow.model_id == model.id, CorrectionRow.state == "waiting")
    )
    return session.scalar(statement) or 0


def _checked_text(text: str) -> str:
    check_unicode(text, "The text")
    kept = text.replace("\0", "�")
    if not kept.strip():
        raise InputError("The text is empty; expected the text that the labels belong to.")
    if len(kept) > LONGEST_CHARACTERS:
        raise LimitError(f"The text has {len(kept):,} characters; at most {LONGEST_CHARACTERS:,} are allowed.")
    return kept


def _checked_labels(session: Session, model: ModelRow, labels: Sequence[str]) -> tuple[str, ...]:
    known = current_version(model, versions_of(session, model.id)).labels
    chosen = tuple(dict.fromkeys(labels))
    for label in chosen:
        if label not in known:
            raise InputError(
                f"The model does not know the label {label[:80]!r}. Choose one of its {len(known)} labels, or add "
                "examples of a new label to the dataset."
            )
    if model.kind == "single" and len(chosen) != 1:
        raise InputError(f"The model gives one label to a text, received {len(chosen)}. Choose one.")
    return tuple(label for label in known if label in chosen)


def _record(row: CorrectionRow) -> Correction:
    return Correction(
        id=row.id,
        model_id=row.model_id,
        text=row.text,
        labels=tuple(row.labels),
        given=tuple(row.given),
        source=cast(CorrectionSource, row.source),
        state=cast(CorrectionState, row.state),
        created_by=row.created_by,
        created_at=row.created_at,
        dataset_id=row.dataset_id,
    )
