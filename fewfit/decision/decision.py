"""From an embedding to an answer: head, calibration, thresholds. Plain numpy, the same wherever it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fewfit.decision.groups import Groups, softmax_in, surest_in
from fewfit.decision.rejection import Rejection
from fewfit.decision.shares import is_share
from fewfit.errors import InputError

Kind = Literal["single", "multi"]


@dataclass(frozen=True)
class Head:
    """A linear map from embeddings to logits: weight (n_labels, hidden) and bias (n_labels,), float32."""

    weight: np.ndarray
    bias: np.ndarray

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """Logits (n_texts, n_labels) of embeddings (n_texts, hidden), float32.

        Each row is computed on its own (einsum, not a matrix product whose kernel depends on the number
        of rows), so a text's answer never depends on its batch.
        """
        logits = np.einsum("th,lh->tl", embeddings, self.weight, optimize=False)
        return np.asarray(logits + self.bias, dtype=np.float32)


@dataclass(frozen=True)
class Calibration:
    """Makes confidences honest: logits are multiplied by `scale` and shifted by `offset`, each (n_labels,).

    Single-label: one scale for all labels, the inverse of a temperature (Guo et al. 2017,
    https://arxiv.org/abs/1706.04599), and no offset. Multilabel: a line a label (Platt 1999).
    """

    scale: np.ndarray
    offset: np.ndarray

    @classmethod
    def identity(cls, n_labels: int) -> "Calibration":
        """Changes nothing."""
        return cls(np.ones(n_labels), np.zeros(n_labels))

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated logits, (n_texts, n_labels)."""
        return np.asarray(logits * self.scale + self.offset)


def probabilities(kind: Kind, logits: np.ndarray) -> np.ndarray:
    """Softmax over labels (single-label) or a sigmoid a label (multilabel), float64 (n_texts, n_labels)."""
    logits = np.asarray(logits, dtype=np.float64)
    if kind == "multi":
        return np.asarray(np.exp(-np.logaddexp(0.0, -logits)))
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Decision:
    """Everything between an embedding and an answer.

    `thresholds` (n_labels,) are the confidences from which a label is given; multilabel only, None
    in single-label tasks, where the most confident label is the answer. `groups` are the columns of labels of which
    one applies each, in multilabel models that have such (then without thresholds). `rejection`, in some single-label
    models, says which texts get no label.
    """

    kind: Kind
    labels: tuple[str, ...]
    head: Head
    calibration: Calibration
    thresholds: np.ndarray | None = None
    rejection: Rejection | None = None
    groups: Groups = ()

    @property
    def exclusive(self) -> Groups:
        """The columns of labels that exclude each other: all of them, those of each group, or none."""
        return (tuple(range(len(self.labels))),) if self.kind == "single" else self.groups

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """Confidences, float64 (n_texts, n_labels), columns as in `labels`, for (n_texts, hidden)."""
        return self.confidences(self.head.logits(embeddings))

    def confidences(self, logits: np.ndarray) -> np.ndarray:
        """Confidences, float64 (n_texts, n_labels), for the head's logits of the same shape."""
        return self.of_calibrated(self.calibration.apply(logits))

    def of_calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Confidences, float64 (n_texts, n_labels), for calibrated logits of the same shape."""
        return softmax_in(self.exclusive, logits) if self.exclusive else probabilities("multi", logits)

    def rejects(self, embeddings: np.ndarray) -> np.ndarray:
        """Which texts get no label since they are unlike the training texts, boolean (n_texts,)."""
        if self.rejection is None:
            return np.zeros(len(embeddings), dtype=bool)
        return self.rejection.rejects(embeddings)

    def matrix(self, confidences: np.ndarray) -> np.ndarray:
        """The labels given, boolean (n_texts, n_labels), for confidences of the same shape."""
        if self.exclusive:
            return surest_in(self.exclusive, confidences)
        assert self.thresholds is not None
        return np.asarray(confidences >= self.thresholds)

    def with_thresholds(self, thresholds: float | Mapping[str, float] | None) -> "Decision":
        """The same decision with other thresholds: one for all labels, or some labels by name.

        Raises InputError for single-label models, unknown labels and values that are no number from 0 to 1.
        """
        if thresholds is None:
            return self
        if self.thresholds is None:
            what, which = ("a single-label model", "") if self.kind == "single" else ("a model of groups", " of each")
            raise InputError(
                f"This is {what}: it answers with its most confident label{which} and has no thresholds. "
                "Leave out `thresholds`, or compare the confidences with a limit of your own."
            )
        if not isinstance(thresholds, Mapping) and not is_share(thresholds):
            raise InputError(
                f"thresholds is {thresholds!r}; expected a number from 0 to 1 for all labels, or one for each of some "
                f"labels by name, such as {{{self.labels[0]!r}: 0.3}}."
            )
        changed = self.thresholds.copy()
        wanted = thresholds if isinstance(thresholds, Mapping) else dict.fromkeys(self.labels, thresholds)
        column = {name: number for number, name in enumerate(self.labels)}
        for name, value in wanted.items():
            if name not in column:
                raise InputError(
                    f"There is no label {name!r} to set a threshold for. The labels are: "
                    f"{', '.join(map(repr, self.labels))}."
                )
            if not is_share(value):
                raise InputError(f"The threshold of {name!r} is {value!r}; expected a number from 0 to 1.")
            changed[column[name]] = value
        return replace(self, thresholds=changed)
