"""The rows of a dataset as they were read, before anything was dropped: what people browse and edit.

They are kept as an Avro file of their own, because the parts that training takes have no row numbers and lack
the rows that were left out, which are the ones to look at.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import fastavro

from fewfit.data import Dataset, Example, Kind, Report

_SCHEMA = {
    "type": "record",
    "name": "row",
    "fields": [
        {"name": "text", "type": "string"},
        {"name": "labels", "type": {"type": "array", "items": "string"}},
        {"name": "row", "type": "long"},
    ],
}


@dataclass(frozen=True)
class Rows:
    """The rows of a dataset, and what was found while they were read."""

    train: Dataset
    evaluation: Dataset | None = None
    train_reading: Report = field(default_factory=Report)
    eval_reading: Report = field(default_factory=Report)

    @property
    def kind(self) -> Kind:
        """Whether each text has one label or several."""
        return self.train.kind

    def part(self, name: str) -> Dataset:
        """The training or the evaluation part; an empty one where there is none."""
        if name == "train":
            return self.train
        return self.evaluation if self.evaluation is not None else Dataset((), self.kind)

    def reading(self) -> dict[str, Any]:
        """What was found while reading, and how the file was read, as JSON."""
        read_as = self.train.read_as
        return {
            "kind": self.kind,
            "train": self.train_reading.to_dict(),
            "eval": self.eval_reading.to_dict(),
            "columns": {} if read_as is None else {name: getattr(read_as, name) for name in _READ_AS},
        }


_READ_AS = ("format", "text_column", "label_column", "delimiter", "label_separator", "header")


def write_rows(path: Path, dataset: Dataset) -> None:
    """Writes rows as an Avro object container file."""
    rows = ({"text": e.text, "labels": list(e.labels), "row": e.row} for e in dataset.examples)
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(_SCHEMA), rows, codec="deflate")


def read_rows(stream: BinaryIO, kind: Kind) -> Dataset:
    """Reads what `write_rows` wrote."""
    examples = []
    for row in fastavro.reader(stream):
        assert isinstance(row, dict)
        examples.append(Example(str(row["text"]), tuple(row["labels"]), int(row["row"])))
    return Dataset(tuple(examples), kind)
