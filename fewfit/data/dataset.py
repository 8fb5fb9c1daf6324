"""Labelled texts in memory."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

Kind = Literal["single", "multi"]
Format = Literal["csv", "jsonl", "parquet", "pandas", "datasets", "lists", "records"]


@dataclass(frozen=True, slots=True)
class Example:
    """A text with its labels: exactly one in single-label data, none or more in multilabel data.

    `row` is where a person finds it: the line in a CSV or JSONL file (the header is line 1; a quoted
    text over several lines counts from its first), else the number of the record, from 1.
    """

    text: str
    labels: tuple[str, ...]
    row: int


@dataclass(frozen=True)
class ReadAs:
    """How a source was read, so that a person can see what was found and what was given."""

    format: Format
    text_column: str | None = None
    label_column: str | None = None
    delimiter: str | None = None
    label_separator: str | None = None
    header: bool = True


@dataclass(frozen=True)
class Dataset:
    """Labelled texts.

    >>> data = Dataset((Example("no refund yet", ("billing",), 1), Example("hello", ("other",), 2)), "single")
    >>> data.texts, data.targets, data.label_names
    (['no refund yet', 'hello'], ['billing', 'other'], ['billing', 'other'])
    """

    examples: tuple[Example, ...]
    kind: Kind
    source: str = ""
    read_as: ReadAs | None = None

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def texts(self) -> list[str]:
        """The texts in order."""
        return [example.text for example in self.examples]

    @property
    def targets(self) -> list[str] | list[list[str]]:
        """What `Classifier.fit` takes: a label a text, or in multilabel data a list of labels a text."""
        if self.kind == "single":
            return [example.labels[0] for example in self.examples]
        return [list(example.labels) for example in self.examples]

    @property
    def rows(self) -> list[int]:
        """The row numbers in order."""
        return [example.row for example in self.examples]

    @cached_property
    def label_counts(self) -> dict[str, int]:
        """Examples per label, in the order of `label_names`."""
        counts = Counter(label for example in self.examples for label in example.labels)
        return dict(sorted(counts.items()))

    @property
    def label_names(self) -> list[str]:
        """The labels that occur, sorted."""
        return list(self.label_counts)

    def subset(self, indices: Iterable[int]) -> "Dataset":
        """The examples at these positions (from 0), in this order."""
        return replace(self, examples=tuple(self.examples[index] for index in indices))

    def with_examples(self, examples: Iterable[Example]) -> "Dataset":
        """The same data set with other examples."""
        return replace(self, examples=tuple(examples))
