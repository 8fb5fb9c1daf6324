"""The files of a validated dataset: Avro, which the SDKs' `save_dataset` reads."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import fastavro

from fewfit.data import Dataset, Example, Kind

SAMPLES = 5
_SAMPLE_CHARACTERS = 500


def schema(kind: Kind) -> dict[str, Any]:
    """The Avro schema of a row: a text with its label, or with its list of labels."""
    label = "string" if kind == "single" else {"type": "array", "items": "string"}
    return {
        "type": "record",
        "name": "row",
        "fields": [{"name": "text", "type": "string"}, {"name": "label", "type": label}],
    }


def write_part(path: Path, dataset: Dataset) -> None:
    """Writes labelled texts as an Avro object container file."""
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema(dataset.kind)), _rows(dataset), codec="deflate")


def read_part(stream: BinaryIO, kind: Kind) -> Dataset:
    """Reads what `write_part` wrote; rows are counted from 1."""
    examples = []
    for number, row in enumerate(fastavro.reader(stream), start=1):
        assert isinstance(row, dict)
        labels = (row["label"],) if kind == "single" else tuple(row["label"])
        examples.append(Example(str(row["text"]), labels, number))
    return Dataset(tuple(examples), kind)


def samples(dataset: Dataset) -> list[str]:
    """The first rows as JSON texts, long texts shortened."""
    return [json.dumps(row | {"text": shortened(row["text"])}, ensure_ascii=False) for row in _rows(dataset, SAMPLES)]


def label_samples(dataset: Dataset, label: str, count: int = 3) -> list[str]:
    """A few texts of a label, shortened."""
    found: list[str] = []
    for example in dataset.examples:
        if label in example.labels:
            found.append(shortened(example.text))
            if len(found) == count:
                break
    return found


def shortened(text: str) -> str:
    """A text that fits a preview."""
    return text if len(text) <= _SAMPLE_CHARACTERS else text[: _SAMPLE_CHARACTERS - 1] + "…"


def is_shortened(text: str) -> bool:
    """Whether a text may be what `shortened` made of a longer one."""
    return len(text) == _SAMPLE_CHARACTERS and text.endswith("…")


def _rows(dataset: Dataset, limit: int | None = None) -> Sequence[dict[str, Any]]:
    single = dataset.kind == "single"
    return [
        {"text": example.text, "label": example.labels[0] if single else list(example.labels)}
        for example in dataset.examples[:limit]
    ]
