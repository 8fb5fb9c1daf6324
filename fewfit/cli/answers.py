"""Answers as lines of CSV or JSONL."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import typer

from fewfit.data import TextRow
from fewfit.decision import Decision
from fewfit.errors import InputError

AnswerFormat = Literal["csv", "jsonl"]

# Labels and their confidences share a cell in multilabel CSV, as in the files that fewfit reads.
SEPARATOR = "|"


@dataclass(frozen=True)
class Thresholds:
    """From which confidence on a label is given: one number for all labels, or some labels by name."""

    everywhere: float | None = None
    by_label: Mapping[str, float] | None = None

    @classmethod
    def parse(cls, values: Sequence[str]) -> "Thresholds":
        """Reads "0.7", once, or "LABEL=0.7", once a label. Raises typer.BadParameter."""
        everywhere: float | None = None
        by_label: dict[str, float] = {}
        for value in values:
            name, _, number = value.rpartition("=")
            try:
                threshold = float(number)
            except ValueError:
                threshold = float("nan")
            if not 0 <= threshold <= 1:
                raise typer.BadParameter(f"--threshold is {value!r}; expected a number from 0 to 1, or LABEL=NUMBER.")
            if name in by_label or (not name and everywhere is not None):
                what = f"the label {name!r}" if name else "all labels"
                raise typer.BadParameter(f"--threshold is given more than once for {what}; give one.")
            if name:
                by_label[name] = threshold
            else:
                everywhere = threshold
        return cls(everywhere, by_label or None)


class Answers:
    """Turns texts and confidences into lines, header first.

    In single-label models a text whose best label stays below the threshold gets none.
    """

    def __init__(
        self, decision: Decision, thresholds: Thresholds, answer_format: AnswerFormat, *, every_label: bool
    ) -> None:
        if decision.groups and thresholds != Thresholds():
            raise InputError(
                "This is a model of groups: the most confident label of each is given, and there are no thresholds. "
                "Leave out --threshold; --all shows every confidence."
            )
        if decision.kind == "multi":
            decision = decision.with_thresholds(thresholds.everywhere).with_thresholds(thresholds.by_label)
        elif thresholds.by_label:
            raise InputError("This is a single-label model: give one --threshold for all labels, such as 0.7.")
        self._decision = decision
        self._least = thresholds.everywhere or 0.0
        self._format = answer_format
        self._every_label = every_label

    def header(self) -> str:
        """The first line: the names of the columns in CSV, nothing in JSONL."""
        if self._format == "jsonl":
            return ""
        more = [f"confidence:{label}" for label in self._decision.labels] if self._every_label else []
        return _csv_line(["row", "text", "label", "confidence", *more])

    def lines(self, rows: Sequence[TextRow], confidences: np.ndarray, rejected: np.ndarray) -> Iterator[str]:
        """One line a text, for confidences (n_texts, n_labels); texts that are `rejected` (n_texts,) get no label."""
        given = self._decision.matrix(confidences) & ~rejected[:, None]
        for row, scores, mask in zip(rows, confidences, given, strict=True):
            columns = sorted(np.flatnonzero(mask).tolist(), key=lambda column: -scores[column])
            if self._decision.kind == "single" and columns and scores[columns[0]] < self._least:
                columns = []
            yield self._json(row, scores, columns) if self._format == "jsonl" else self._csv(row, scores, columns)

    def _csv(self, row: TextRow, scores: np.ndarray, columns: list[int]) -> str:
        labels = SEPARATOR.join(self._decision.labels[column] for column in columns)
        # How sure the best label is, given or not; in multilabel models how sure the given ones are.
        shown = [int(scores.argmax())] if self._decision.kind == "single" else columns
        confidence = SEPARATOR.join(_number(scores[column]) for column in shown)
        more = [_number(score) for score in scores] if self._every_label else []
        return _csv_line([row.row, row.text, labels, confidence, *more])

    def _json(self, row: TextRow, scores: np.ndarray, columns: list[int]) -> str:
        names = self._decision.labels
        answer: dict[str, Any] = {"row": row.row, "text": row.text}
        if self._decision.kind == "single":
            answer["label"] = names[columns[0]] if columns else None
            answer["confidence"] = _rounded(scores.max())
        else:
            answer["label"] = [names[column] for column in columns]
            answer["confidence"] = [_rounded(scores[column]) for column in columns]
        if self._every_label:
            answer["confidences"] = {name: _rounded(score) for name, score in zip(names, scores, strict=True)}
        return json.dumps(answer, ensure_ascii=False) + "\n"


def _csv_line(cells: Sequence[object]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def _number(value: float) -> str:
    return f"{value:.4f}"


def _rounded(value: float) -> float:
    return round(float(value), 4)
