"""How a worker talks: one JSON object a line, jobs in on standard input, answers out on standard output.

This file is imported in every peer's environment, so it needs the standard library only.
"""

import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol


@dataclass(frozen=True)
class Job:
    """What a worker is asked: train on labelled texts, answer for the texts of each test language.

    `labels` are the labels of the training rows, sorted. `base` is a folder; every text is to be read
    with `prefix` before it. `seed` decides all that is random. `unlabelled` texts are there where the setting of
    that name asks for them.
    """

    kind: str
    labels: list[str]
    texts: list[str]
    targets: list[list[str]]
    tests: dict[str, list[str]]
    base: str
    prefix: str
    seed: int
    threads: int
    train_languages: list[str]
    settings: dict[str, Any]
    unlabelled: list[str] = field(default_factory=list)

    @property
    def indicator(self) -> list[list[int]]:
        """Which training text has which label, (n_texts, n_labels) of 0 and 1."""
        return [[int(label in target) for label in self.labels] for target in self.targets]

    @property
    def prefixed(self) -> list[str]:
        """The training texts as the base expects them."""
        return [self.prefix + text for text in self.texts]

    def only(self, *known: str) -> dict[str, Any]:
        """The settings, all of which must be among `known`: one that is not honoured is an error."""
        unknown = set(self.settings) - set(known)
        if unknown:
            raise ValueError(f"unknown setting {', '.join(sorted(unknown))}; known: {', '.join(known) or 'none'}")
        return self.settings


@dataclass(frozen=True)
class Prediction:
    """Answers for the texts of one test language, and how long they took.

    `probabilities` is (n_texts, n_columns), columns as in the reply.
    """

    given: list[list[str]]
    probabilities: list[list[float]] | None
    predict_s: float


@dataclass(frozen=True)
class Reply:
    """What a worker answers. `fit_s` runs from texts and labels to a model that is ready to predict."""

    columns: list[str]
    predictions: dict[str, Prediction]
    fit_s: float
    fit_cpu_s: float
    notes: dict[str, Any] = field(default_factory=dict)


class Clock:
    """Seconds on the wall, and seconds of CPU that this process used in all its threads."""

    def __init__(self) -> None:
        self.wall_s = 0.0
        self.cpu_s = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Counts what happens inside; may be used several times."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall_s += time.perf_counter() - wall
            self.cpu_s += time.process_time() - cpu


class Peer(Protocol):
    """A method: one call trains on the job's texts and answers for its test texts."""

    def __call__(self, job: Job) -> Reply: ...


def serve(peer: Peer, libraries: tuple[str, ...]) -> None:
    """Answers jobs until standard input ends. What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _say(answers, {"versions": _versions(libraries)})
    for line in sys.stdin:
        try:
            reply = peer(Job(**json.loads(line)))
        except Exception as error:  # noqa: BLE001 - the message goes to the one who asked; the worker lives on
            traceback.print_exc()
            _say(answers, {"error": f"{type(error).__name__}: {error}"})
        else:
            content = vars(reply) | {"predictions": {name: vars(p) for name, p in reply.predictions.items()}}
            _say(answers, content)


def _say(answers: Any, content: dict[str, Any]) -> None:
    answers.write(json.dumps(content) + "\n")
    answers.flush()


def _versions(libraries: tuple[str, ...]) -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for name in libraries:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
