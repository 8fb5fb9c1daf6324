"""The service's interface to models in use: corrections, review, trials, comparisons and usage. See `interface`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from fewfit.service.records import Caller, Model, ModelVersion
from fewfit.service.records_in_use import (
    Comparison,
    Correction,
    CorrectionSource,
    CorrectionState,
    Neighbour,
    ReviewText,
    Trial,
    UsageHour,
)


class CorrectionsLike(Protocol):
    """What people say of wrong answers and wrong labels."""

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
        """Keeps the right labels of a text (scope train); `given` are the wrong ones.

        With the source "suspect" and the labels that were given it says that these are right.
        """
        ...

    def remove(self, caller: Caller, model_id: str, correction_id: str) -> None:
        """Takes back a correction that has not joined a dataset yet (scope train)."""
        ...

    def list(
        self, caller: Caller, model_id: str, *, state: CorrectionState | None = None, limit: int = 5000
    ) -> tuple[Correction, ...]:
        """A model's corrections (scope read), newest first."""
        ...

    def n_waiting(self, caller: Caller, model_id: str) -> int:
        """How many corrections have not joined a dataset yet (scope read)."""
        ...

    def join(self, caller: Caller, model_id: str) -> tuple[str, int]:
        """Puts what waits into the dataset (scope train); gives its id and how many corrections that were."""
        ...

    def retrain(self, caller: Caller, model_id: str, *, promote: bool = False) -> ModelVersion:
        """Puts what waits into the dataset and queues a version that is trained on it (scope train)."""
        ...


class ThresholdsLike(Protocol):
    """Versions with other thresholds, and notes on versions."""

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
        """A new version of a multilabel model with other thresholds, without training (scope train)."""
        ...

    def annotate(self, caller: Caller, model_id: str, version: int, note: str) -> ModelVersion:
        """Notes something about a version (scope train)."""
        ...


class ComparingLike(Protocol):
    """Versions side by side."""

    def compare(self, caller: Caller, model_id: str, before: int, after: int) -> Comparison:
        """Two versions (scope read): figures, and the answers that changed on texts that neither was trained on."""
        ...


class TryingLike(Protocol):
    """Answers for people who look at them; they count neither as usage nor for review."""

    def answer(self, caller: Caller, model_id: str, texts: Sequence[str], *, version: int | None = None) -> Trial:
        """A version's answers beside the untuned base's (scope classify)."""
        ...

    def neighbours(
        self, caller: Caller, model_id: str, texts: Sequence[str], *, version: int | None = None, count: int = 3
    ) -> tuple[tuple[Neighbour, ...], ...]:
        """The training examples nearest to each text (scopes classify and read)."""
        ...


class ReviewLike(Protocol):
    """Production texts that were kept with consent and wait to be labelled."""

    def allow(self, caller: Caller, model_id: str, allowed: bool) -> Model:
        """Gives or takes back the consent (scope train); taken back, what was kept is deleted."""
        ...

    def queue(self, caller: Caller, model_id: str, *, limit: int = 50) -> tuple[ReviewText, ...]:
        """Texts that wait (scope train), the most doubtful first."""
        ...

    def counts(self, caller: Caller) -> Mapping[str, int]:
        """How many texts wait, by model (scope read)."""
        ...

    def get(self, caller: Caller, model_id: str, review_id: int) -> ReviewText:
        """A text that waits (scope train)."""
        ...

    def skip(self, caller: Caller, model_id: str, review_id: int) -> None:
        """Takes a text out of the queue for good (scope train)."""
        ...

    def done(self, caller: Caller, model_id: str, review_id: int, state: str = "labelled") -> None:
        """Takes a text out of the queue that was labelled (scope train)."""
        ...


class UsageLike(Protocol):
    """What was asked of models."""

    def hours(
        self, caller: Caller, *, model_id: str | None = None, since: datetime | None = None
    ) -> tuple[UsageHour, ...]:
        """Usage by hour and model (scope read), oldest first; the last day unless told otherwise."""
        ...
