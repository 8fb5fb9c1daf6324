"""Raw results: one JSON line a measurement, written whole or not at all, never run twice."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from benchmarks.harness.errors import UsageError


@dataclass(frozen=True)
class Key:
    """What makes a measurement the same as another, so that it is not run again."""

    task: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    size: str
    seed: int
    method: str
    settings: str
    base: str
    threads: int
    code: str

    def without_code(self) -> tuple[object, ...]:
        """The same for any version of the method's code."""
        return tuple(value for name, value in vars(self).items() if name != "code")


@dataclass(frozen=True)
class Result:
    """One method, trained once on one sample and tested in one or several languages.

    `trial` is how the task with its languages is called. `tests` has, by language, the number of rows `n`,
    every metric and `predict_s`. `fit_s` and `fit_cpu_s` run from texts and labels to a model that is ready;
    `load` is the machine's load average before the fit. `code` stands for the method's code and packages,
    `revision` for the git commit, `prefix` for what every text was given to the base with.
    """

    trial: str
    task: str
    kind: str
    train: list[str]
    test: list[str]
    size: str
    seed: int
    n_train: int
    method: str
    settings: dict[str, Any]
    base: str
    base_digest: str
    threads: int
    tests: dict[str, dict[str, float]]
    fit_s: float
    fit_cpu_s: float
    notes: dict[str, Any]
    code: str
    versions: dict[str, str]
    machine: dict[str, Any]
    load: float
    at: str
    revision: str = ""
    prefix: str = ""

    @property
    def key(self) -> Key:
        """What makes it the same as another measurement."""
        return Key(
            task=self.task,
            train=tuple(self.train),
            test=tuple(self.test),
            size=self.size,
            seed=self.seed,
            method=self.method,
            settings=json.dumps(self.settings, sort_keys=True),
            base=self.base_digest,
            threads=self.threads,
            code=self.code,
        )


@dataclass
class Results:
    """The measurements in a file of JSON lines; `add` appends one, safe against crashes and other commands."""

    path: Path
    rows: list[Result] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = list(_read(self.path))
        self._seen: set[object] = {seen for row in self.rows for seen in (row.key, row.key.without_code())}

    def latest(self) -> list[Result]:
        """One row a measurement: the last one of each, whatever version of the code it was made with."""
        last: dict[tuple[object, ...], Result] = {}
        for row in self.rows:
            last.pop(row.key.without_code(), None)
            last[row.key.without_code()] = row
        return list(last.values())

    def has(self, key: Key, *, any_code: bool = False) -> bool:
        """Whether that was measured; with `any_code`, by any version of the method."""
        return key.without_code() in self._seen if any_code else key in self._seen

    def add(self, row: Result) -> None:
        """Appends a row and has the disk keep it."""
        line = json.dumps(asdict(row), ensure_ascii=False, allow_nan=False) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(str(self.path) + ".lock"), self.path.open("ab+") as file:
            _drop_broken_end(file.fileno())
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        self.rows.append(row)
        self._seen |= {row.key, row.key.without_code()}


def _drop_broken_end(descriptor: int) -> None:
    """Cuts off a last line that a crash left without its end."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    end = size
    while end:
        start = max(0, end - 65536)
        position = os.pread(descriptor, end - start, start).rfind(b"\n")
        if position >= 0:
            os.ftruncate(descriptor, start + position + 1)
            return
        end = start
    os.ftruncate(descriptor, 0)


def _read(path: Path) -> Iterator[Result]:
    if not path.is_file():
        return
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], 1):  # what follows the last line break was cut off by a crash
        if not line.strip():
            continue
        try:
            yield Result(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise UsageError(f"{path}, line {number} is no result ({error}). Move the file away or mend it.") from error
