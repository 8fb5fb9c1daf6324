"""The review queue: with its owner's consent, a small sample of the texts that a model was asked about.

Half of it is drawn evenly from all texts, half are those that the model was least sure of. The even half is
kept fair by a lottery: each text draws a random number, and those with the largest ones stay. So samples of
several servers, and of several hours, can be put together by looking at the numbers alone.
"""

import hashlib
import heapq
import logging
import random
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fewfit.decision import Decision
from fewfit.service.errors import DatabaseError, NotFoundError
from fewfit.service.models.model_rows import find_model, model_record, versions_of
from fewfit.service.records import Caller, Model
from fewfit.service.records_in_use import ReviewText
from fewfit.service.store.database import Database
from fewfit.service.store.tables import LARGEST_ID, ModelRow, ReviewRow, utc_now

logger = logging.getLogger(__name__)

# Texts of one model that wait, drawn evenly and for doubt: an hour's work for a person.
SAMPLE: Final = 100
# Longer texts are not kept: a queue of whole documents helps nobody, and it bounds what the table takes.
LONGEST_CHARACTERS: Final = 10_000
_KEPT = timedelta(days=30)
_WRITTEN_EVERY_S = 5.0
_MOST_MODELS = 1000
_SHOWN_CONFIDENCES = 5


@dataclass(frozen=True)
class _Candidate:
    text: str
    digest: str
    given: tuple[str, ...]
    confidences: dict[str, float]
    doubt: float
    lottery: float
    version: int


class Sampler:
    """Keeps the best candidates of each model in memory until they are written; never more than the queue holds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._random = random.SystemRandom()
        self._waiting: dict[tuple[str, str], dict[str, _Candidate]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._writer: threading.Thread | None = None

    def offer(
        self,
        organization_id: str,
        model_id: str,
        version: int,
        texts: Sequence[str],
        confidences: np.ndarray,
        decision: Decision,
    ) -> None:
        """Takes the texts of a request, whose model may keep some; `confidences` is (n_texts, n_labels)."""
        doubts = doubts_of(confidences, decision)
        given = decision.matrix(confidences)
        with self._lock:
            if (organization_id, model_id) not in self._waiting and len(self._waiting) >= _MOST_MODELS:
                return
            chosen = self._waiting.setdefault((organization_id, model_id), {})
            for row, text in enumerate(texts):
                if len(text) > LONGEST_CHARACTERS or not text.strip():
                    continue
                digest = digest_of(text)
                if digest not in chosen:
                    chosen[digest] = _Candidate(
                        text=text,
                        digest=digest,
                        given=tuple(decision.labels[column] for column in np.flatnonzero(given[row]).tolist()),
                        confidences=_surest(confidences[row], decision.labels),
                        doubt=float(doubts[row]),
                        lottery=self._random.random(),
                        version=version,
                    )
            if len(chosen) > 4 * SAMPLE:
                kept = _best(chosen.values())
                chosen.clear()
                chosen.update((candidate.digest, candidate) for candidate in kept)
            if self._writer is None and not self._closed.is_set():
                self._writer = threading.Thread(target=self._write_regularly, name="review", daemon=True)
                self._writer.start()

    def write(self) -> None:
        """Puts what was kept into the queue of each model that still has the consent."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for (organization_id, model_id), chosen in waiting.items():
            try:
                self._write(organization_id, model_id, _best(chosen.values()))
            except IntegrityError:
                # Another server kept the same text, or the model is gone: a sample may lose some.
                logger.info("Some texts of model %s were not kept for review", model_id)
            except DatabaseError:
                logger.warning("Some texts of model %s were not kept for review", model_id)

    def close(self) -> None:
        """Writes the rest."""
        self._closed.set()
        if self._writer is not None:
            self._writer.join()
        self.write()

    def _write(self, organization_id: str, model_id: str, chosen: Sequence[_Candidate]) -> None:
        with self._database.writing() as session:
            # The lock keeps consent from being taken back while texts are written.
            model = session.scalar(
                select(ModelRow)
                .where(ModelRow.id == model_id, ModelRow.organization_id == organization_id)
                .with_for_update()
            )
            if model is None or model.review_since is None:
                return
            known = set(
                session.scalars(
                    select(ReviewRow.digest).where(
                        ReviewRow.model_id == model_id,
                        ReviewRow.digest.in_([candidate.digest for candidate in chosen]),
                    )
                )
            )
            now = utc_now()
            session.add_all(
                ReviewRow(
                    organization_id=organization_id,
                    model_id=model_id,
                    version=candidate.version,
                    text=_storable(candidate.text),
                    digest=candidate.digest,
                    given=list(candidate.given),
                    confidences=candidate.confidences,
                    doubt=candidate.doubt,
                    lottery=candidate.lottery,
                    state="waiting",
                    created_at=now,
                )
                for candidate in chosen
                if candidate.digest not in known
            )
            session.flush()
            _trim(session, model_id)

    def _write_regularly(self) -> None:
        while not self._closed.wait(_WRITTEN_EVERY_S):
            try:
                self.write()
            except Exception:
                # The thread must live on: the next texts come.
                logger.exception("Some texts were not kept for review")


class Reviewing:
    """What people do with the queue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def allow(self, caller: Caller, model_id: str, allowed: bool) -> Model:
        """Gives or takes back the consent to keep production texts (scope train); taken back, they are deleted."""
        caller.require("train")
        with self._database.writing() as session:
            row = find_model(session, caller.organization_id, model_id, lock=True)
            if not allowed:
                row.review_since, row.review_by = None, None
                session.execute(delete(ReviewRow).where(ReviewRow.model_id == row.id))
            elif row.review_since is None:
                row.review_since, row.review_by = utc_now(), caller.owner_id
            row.updated_at = utc_now()
            return model_record(row, versions_of(session, row.id))

    def queue(self, caller: Caller, model_id: str, *, limit: int = 50) -> tuple[ReviewText, ...]:
        """Texts that wait to be labelled (scope train: they are production texts), the most doubtful first."""
        caller.require("train")
        with self._database.reading() as session:
            row = find_model(session, caller.organization_id, model_id)
            rows = session.scalars(
                select(ReviewRow)
                .where(ReviewRow.model_id == row.id, ReviewRow.state == "waiting")
                .order_by(ReviewRow.doubt.desc(), ReviewRow.id)
                .limit(max(0, limit))
            )
            return tuple(_record(found) for found in rows)

    def counts(self, caller: Caller) -> dict[str, int]:
        """How many texts wait, by model (scope read); models without any are left out."""
        caller.require("read")
        statement = (
            select(ReviewRow.model_id, func.count())
            .where(ReviewRow.organization_id == caller.organization_id, ReviewRow.state == "waiting")
            .group_by(ReviewRow.model_id)
        )
        with self._database.reading() as session:
            return {model_id: int(count) for model_id, count in session.execute(statement)}

    def get(self, caller: Caller, model_id: str, review_id: int) -> ReviewText:
        """A text that waits (scope train). Raises NotFoundError."""
        caller.require("train")
        with self._database.reading() as session:
            return _record(_find(session, caller, model_id, review_id))

    def skip(self, caller: Caller, model_id: str, review_id: int) -> None:
        """Takes a text out of the queue for good (scope train); it is forgotten, and not kept again."""
        self.done(caller, model_id, review_id, "skipped")

    def done(self, caller: Caller, model_id: str, review_id: int, state: str = "labelled") -> None:
        """Takes a text out of the queue that was labelled or skipped (scope train)."""
        caller.require("train")
        with self._database.writing() as session:
            row = _find(session, caller, model_id, review_id)
            # Its digest stays, so that the same text does not come again.
            row.state, row.text, row.confidences, row.given = state, "", {}, []

    def delete_expired(self, now: datetime) -> int:
        """Deletes texts that nobody has looked at for 30 days; returns how many."""
        with self._database.writing() as session:
            result = session.execute(delete(ReviewRow).where(ReviewRow.created_at < now - _KEPT))
            return int(result.rowcount)  # type: ignore[attr-defined]


def doubts_of(confidences: np.ndarray, decision: Decision) -> np.ndarray:
    """How unsure the answer to each text is, from 0 to 1, (n_texts,).

    Single-label: how near the second label is to the first. Multilabel: how near the nearest label is to its
    threshold, on either side.
    """
    if decision.kind == "multi":
        assert decision.thresholds is not None
        thresholds = np.clip(decision.thresholds, 1e-6, 1 - 1e-6)
        above = (confidences - thresholds) / (1 - thresholds)
        below = (thresholds - confidences) / thresholds
        return np.asarray(1 - np.maximum(above, below).min(axis=1).clip(0, 1))
    if confidences.shape[1] < 2:
        return np.asarray(1 - confidences.max(axis=1))
    second, first = np.sort(confidences, axis=1)[:, -2:].T
    return np.asarray(1 - (first - second))


def digest_of(text: str) -> str:
    """What stands for a text, to the letter."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _best(candidates: Iterable[_Candidate]) -> list[_Candidate]:
    """Those that could stay in the queue."""
    found = list(candidates)
    by_lottery = heapq.nlargest(SAMPLE, found, key=lambda one: one.lottery)
    by_doubt = heapq.nlargest(SAMPLE, found, key=lambda one: one.doubt)
    return list({one.digest: one for one in (*by_lottery, *by_doubt)}.values())


def _trim(session: Session, model_id: str) -> None:
    """Leaves the luckiest and the most doubtful texts of a model in its queue."""
    waiting = (ReviewRow.model_id == model_id, ReviewRow.state == "waiting")
    kept = [
        select(ReviewRow.id).where(*waiting).order_by(order.desc(), ReviewRow.id).limit(SAMPLE)
        for order in (ReviewRow.lottery, ReviewRow.doubt)
    ]
    ids = {found for statement in kept for found in session.scalars(statement)}
    session.execute(delete(ReviewRow).where(*waiting, ReviewRow.id.not_in(ids)))


def _surest(row: np.ndarray, labels: Sequence[str]) -> dict[str, float]:
    order = np.argsort(-row, kind="stable")[:_SHOWN_CONFIDENCES].tolist()
    return {labels[column]: round(float(row[column]), 4) for column in order}


def _storable(text: str) -> str:
    """Without NUL, which PostgreSQL does not take."""
    return text.replace("\0", "�")


def _find(session: Session, caller: Caller, model_id: str, review_id: int) -> ReviewRow:
    model = find_model(session, caller.organization_id, model_id)
    known = (
        ReviewRow.id == max(0, min(review_id, LARGEST_ID)),
        ReviewRow.model_id == model.id,
        ReviewRow.state == "waiting",
    )
    row = session.scalar(select(ReviewRow).where(*known))
    if row is None:
        raise NotFoundError(f"There is no text {review_id} in the review queue; it was labelled or is too old.")
    return row


def _record(row: ReviewRow) -> ReviewText:
    return ReviewText(
        id=row.id,
        model_id=row.model_id,
        version=row.version,
        text=row.text,
        given=tuple(row.given),
        confidences=row.confidences,
        doubt=row.doubt,
        created_at=row.created_at,
    )
