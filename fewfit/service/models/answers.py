"""What a version answered to texts it was not trained on: what thresholds and comparisons are computed from."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np

from fewfit.data import Dataset, Kind
from fewfit.decision import Decision

ANSWERS_FILE = "answers.json.gz"
# As float32 has; fewer would move confidences over a threshold.
_DIGITS = 7


@dataclass(frozen=True)
class Answers:
    """Texts with their right labels and a version's confidences.

    `truth` (boolean) and `confidences` are (n_texts, n_labels), their columns as in `labels`.
    """

    kind: Kind
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    truth: np.ndarray
    confidences: np.ndarray
    evaluated_on: str = "held_out"

    @classmethod
    def of(cls, dataset: Dataset, decision: Decision, confidences: np.ndarray, evaluated_on: str) -> "Answers":
        """The answers to a dataset's texts, in its order."""
        truth = np.array([[label in example.labels for label in decision.labels] for example in dataset.examples])
        shape = (len(dataset), len(decision.labels))
        return cls(
            decision.kind, decision.labels, tuple(dataset.texts), truth.reshape(shape), confidences, evaluated_on
        )

    def __len__(self) -> int:
        return len(self.texts)

    def write(self) -> bytes:
        """The answers as a file."""
        data = {
            "kind": self.kind,
            "labels": self.labels,
            "texts": self.texts,
            "truth": [np.flatnonzero(row).tolist() for row in self.truth],
            "confidences": np.round(self.confidences, _DIGITS).tolist(),
            "evaluated_on": self.evaluated_on,
        }
        return gzip.compress(json.dumps(data, ensure_ascii=False).encode(errors="replace"), mtime=0)

    @classmethod
    def read(cls, stream: BinaryIO) -> "Answers":
        """What `write` gave."""
        with gzip.open(stream) as file:
            data: dict[str, Any] = json.load(file)
        shape = (len(data["texts"]), len(data["labels"]))
        truth = np.zeros(shape, dtype=bool)
        for row, columns in enumerate(data["truth"]):
            truth[row, columns] = True
        return cls(
            cast(Kind, data["kind"]),
            tuple(data["labels"]),
            tuple(data["texts"]),
            truth,
            np.array(data["confidences"], dtype=float).reshape(shape),
            data["evaluated_on"],
        )

    def given(self, thresholds: Sequence[float] | None) -> np.ndarray:
        """The labels given, boolean (n_texts, n_labels): with these thresholds, or the surest where there are none."""
        if thresholds is not None:
            return np.asarray(self.confidences >= np.asarray(thresholds))
        best = np.zeros(self.confidences.shape, dtype=bool)
        best[np.arange(len(self)), self.confidences.argmax(axis=1)] = True
        return best

    def names(self, row: np.ndarray) -> tuple[str, ...]:
        """The labels of a boolean row."""
        return tuple(self.labels[column] for column in np.flatnonzero(row).tolist())
