"""Labelled examples that come with fewfit, for trying things out: `load_sample("support", "train")`."""

import csv
import io
import json
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal, overload

from fewfit.errors import InputError

__all__ = [
    "SAMPLES",
    "Part",
    "SampleAbout",
    "SampleLabel",
    "about_sample",
    "load_sample",
    "sample_file",
    "sample_names",
]

Part = Literal["train", "test"]
SingleSample = Literal["support", "spam", "sentiment", "languages"]
MultiSample = Literal["tickets", "genres"]

SAMPLES: tuple[SingleSample | MultiSample, ...] = (
    "support",
    "tickets",
    "spam",
    "sentiment",
    "genres",
    "languages",
)
_PARTS: tuple[Part, ...] = ("train", "test")


@dataclass(frozen=True)
class SampleLabel:
    """One label of a sample set; `meaning` says what falls under it and where its border is."""

    name: str
    meaning: str


@dataclass(frozen=True)
class SampleAbout:
    """What a sample set holds, to show beside it.

    `kind` is "single" (one label a text) or "multi" (none, one or several); `languages` are
    ISO 639-1 codes; `labels` are sorted by name.
    """

    name: str
    title: str
    summary: str
    kind: Literal["single", "multi"]
    languages: tuple[str, ...]
    labels: tuple[SampleLabel, ...]

    @property
    def label_names(self) -> list[str]:
        """The names of the labels, sorted."""
        return [label.name for label in self.labels]


def sample_names() -> list[str]:
    """The names of the sample sets, the ones to try first in front."""
    return list(SAMPLES)


@overload
def load_sample(name: SingleSample, part: Part = "train") -> tuple[list[str], list[str]]: ...


@overload
def load_sample(name: MultiSample, part: Part = "train") -> tuple[list[str], list[list[str]]]: ...


@overload
def load_sample(name: str, part: str = "train") -> tuple[list[str], list[str] | list[list[str]]]: ...


def load_sample(name: str, part: str = "train") -> tuple[list[str], list[str] | list[list[str]]]:
    """Texts and labels of one part of a sample set, ready for `Classifier.fit` or `evaluate`.

    Labels are a string per text, or for a set of kind "multi" a list of strings per text, empty
    where no label fits. No text of "test" is in "train". Raises InputError for an unknown name or part.

    >>> texts, labels = load_sample("tickets", "test")
    >>> len(texts) == len(labels)
    True
    """
    file = sample_file(name, part)
    content = file.read_text(encoding="utf-8")
    if file.name.endswith(".csv"):
        rows = list(csv.DictReader(io.StringIO(content, newline="")))
    else:
        rows = [json.loads(line) for line in content.split("\n") if line]
    return [row["text"] for row in rows], [row["label"] for row in rows]


def about_sample(name: str) -> SampleAbout:
    """Title, kind, languages and labels of a sample set. Raises InputError for an unknown name."""
    about = json.loads(_folder(name).joinpath("about.json").read_text(encoding="utf-8"))
    return SampleAbout(
        name=name,
        title=about["title"],
        summary=about["summary"],
        kind=about["kind"],
        languages=tuple(about["languages"]),
        labels=tuple(SampleLabel(label["name"], label["meaning"]) for label in about["labels"]),
    )


def sample_file(name: str, part: str = "train") -> Traversable:
    """The file itself (CSV or JSONL, columns `text` and `label`), as a user would upload it.

    Raises InputError for an unknown name or part. Where a real path is needed, use
    `importlib.resources.as_file` on it.
    """
    folder = _folder(name)
    if part not in _PARTS:
        raise InputError(f"A sample set has no part '{part}'. Ask for 'train' or 'test'.")
    # Labels that are lists need JSONL; plain ones come as the CSV that most people have.
    table = folder.joinpath(f"{part}.csv")
    return table if table.is_file() else folder.joinpath(f"{part}.jsonl")


def _folder(name: str) -> Traversable:
    if name not in SAMPLES:
        raise InputError(f"There is no sample set '{name}'. Choose one of: {', '.join(SAMPLES)}.")
    return resources.files("fewfit.samples").joinpath(name)
