from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fewfit.cli.app import app
from fewfit.data import Dataset, Example, write_dataset

_SENTENCES = {
    "parcel": (
        "the parcel has not arrived",
        "where is my parcel",
        "the driver left my parcel outside",
        "a late parcel",
    ),
    "card": ("the card was charged twice", "my card is refused", "a second charge on my card", "my card has expired"),
    "film": ("what a lovely film", "the film was slow", "the ending of the film made no sense", "a film for children"),
}
_ENDINGS = ("", "please tell me more", "and I am not happy about it", "again today")


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        """Standard error as one line, without the box that may be around it."""
        return " ".join(self.stderr.replace("│", " ").split())


Run = Callable[..., Ran]


@pytest.fixture
def run() -> Run:
    """Runs a command in this process."""

    def run(*arguments: str | Path, stdin: bytes | str = b"") -> Ran:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


def examples() -> tuple[Example, ...]:
    """48 examples of 3 labels that even a random encoder can tell apart: each label has a word of its own."""
    rows = [
        (f"{sentence} {ending}".strip(), label)
        for label, sentences in _SENTENCES.items()
        for sentence in sentences
        for ending in _ENDINGS
    ]
    return tuple(Example(text, (label,), row) for row, (text, label) in enumerate(rows, 2))


@pytest.fixture(scope="session")
def tickets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV file with one label a text."""
    path = tmp_path_factory.mktemp("data") / "tickets.csv"
    write_dataset(Dataset(examples(), "single"), path)
    return path


@pytest.fixture(scope="session")
def tags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JSONL file with none, one or two labels a text."""
    labels = {"parcel": ("parcel", "urgent"), "card": ("card",), "film": ()}
    rows = tuple(Example(e.text, labels[e.labels[0]], e.row) for e in examples())
    path = tmp_path_factory.mktemp("data") / "tags.jsonl"
    write_dataset(Dataset(rows, "multi"), path)
    return path


def _trained(data: Path, folder: Path, base: Path) -> Path:
    arguments = ["train", str(data), "-o", str(folder), "--base", str(base), "--effort", "quick", "--quiet"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="session")
def model(tickets: Path, toy_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A single-label model."""
    return _trained(tickets, tmp_path_factory.mktemp("models") / "tickets", toy_base)


@pytest.fixture(scope="session")
def tag_model(tags: Path, toy_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multilabel model."""
    return _trained(tags, tmp_path_factory.mktemp("models") / "tags", toy_base)
