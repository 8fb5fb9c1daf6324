"""What the service hands out about models in use: corrections, review, trials, comparisons and usage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from fewfit.data import Kind
from fewfit.service.records import ModelVersion

CorrectionSource = Literal["try", "mistake", "suspect", "review"]
CorrectionState = Literal["waiting", "applied", "confirmed"]


@dataclass(frozen=True)
class Correction:
    """A text with the labels that a person gave it. `given` are those that the model or the data had.

    It waits until it joins a dataset ("waiting"), then it is "applied" in `dataset_id`; "confirmed" means that
    the data were right.
    """

    id: str
    model_id: str
    text: str
    labels: tuple[str, ...]
    given: tuple[str, ...]
    source: CorrectionSource
    state: CorrectionState
    created_by: str
    created_at: datetime
    dataset_id: str | None = None


@dataclass(frozen=True)
class ReviewText:
    """A production text that waits to be labelled. `given` is the model's answer, `doubt` from 0 (sure) to 1."""

    id: int
    model_id: str
    version: int
    text: str
    given: tuple[str, ...]
    confidences: Mapping[str, float]
    doubt: float
    created_at: datetime


@dataclass(frozen=True)
class UsageHour:
    """What a model answered in the hour that begins at `hour`; `model_id` is empty for classification by examples.

    `latency` and `sizes` count requests by how long they took and by how many texts they had, in the buckets
    `fewfit.service.in_use.usage.LATENCY_MS` and `SIZES`, one more for what is larger.
    """

    hour: datetime
    model_id: str
    requests: int
    texts: int
    failures: int
    total_ms: float
    slowest_ms: float
    latency: tuple[int, ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Neighbour:
    """A training example near a text: `similarity` is the cosine of their embeddings."""

    text: str
    labels: tuple[str, ...]
    similarity: float


@dataclass(frozen=True)
class TriedText:
    """A text with a version's answer and that of the untuned base: the labels given, and every label's confidence.

    `base_labels` and `base_confidences` are empty where the base cannot be asked.
    """

    text: str
    labels: tuple[str, ...]
    confidences: Mapping[str, float]
    base_labels: tuple[str, ...] = ()
    base_confidences: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """Texts that were tried on a version of a model. `thresholds` are those of a multilabel model."""

    model_id: str
    version: int
    kind: Kind
    texts: tuple[TriedText, ...]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangedAnswer:
    """A text to which two versions give different answers; `labels` are the right ones."""

    text: str
    labels: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def verdict(self) -> Literal["better", "worse", "different"]:
        """Which of the answers is right; "different" where neither is."""
        right = set(self.labels)
        if set(self.after) == right:
            return "better"
        return "worse" if set(self.before) == right else "different"


@dataclass(frozen=True)
class Comparison:
    """Two versions side by side.

    `changed` are answers to the `n_common` texts that neither was trained on and that both were measured on, and
    the `*_common` figures are on those alone: the plain ones are each version's own, perhaps on other texts.
    """

    before: ModelVersion
    after: ModelVersion
    before_report: Mapping[str, Any]
    after_report: Mapping[str, Any]
    n_common: int
    before_common: Mapping[str, float]
    after_common: Mapping[str, float]
    changed: tuple[ChangedAnswer, ...]
