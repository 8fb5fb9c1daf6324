"""Evaluation tasks and their few-shot samples, read from a data folder."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from benchmarks.harness.errors import UsageError

Kind = Literal["single", "multi"]
ALL = "all"  # as a size: every row of the train file; as languages: every language of the task
# Sizes of single-label tasks that are drawn here: so many rows, with the labels' shares of the whole.
_DRAWN = {"n100": 100, "n250": 250, "n1000": 1000}


@dataclass(frozen=True)
class Task:
    """A task of the data folder: its kind, its labels (from low to high where `ordinal`) and languages."""

    name: str
    kind: Kind
    ordinal: bool
    labels: tuple[str, ...]
    languages: tuple[str, ...]
    one_file_a_language: bool


@dataclass(frozen=True)
class Row:
    """A labelled text; a single-label row has exactly one label."""

    text: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Trial:
    """A task with the languages to train on and the languages to test on."""

    task: Task
    train: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def name(self) -> str:
        """How the trial is called in tables: the task, and its languages where that is not plain."""
        if self.train == self.test == self.task.languages[:1] == self.task.languages:
            return self.task.name
        trained = ALL if self.train == self.task.languages else "+".join(self.train)
        if self.train == self.test:
            return f"{self.task.name}:{trained}"
        tested = ALL if self.test == self.task.languages else "+".join(self.test)
        return f"{self.task.name}:{trained}:{tested}"


class EvaluationData:
    """A folder of tasks: `tasks.json`, `fewshot.json` and a folder of JSON lines a task.

    Raises UsageError where the folder, or something that is asked of it, is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        described = _read_json(folder, "tasks.json")
        self._samples = _read_json(folder, "fewshot.json")
        self.tasks = {name: _task(name, about) for name, about in described.items()}

    def trials(self, wanted: Sequence[str]) -> list[Trial]:
        """The trials that names stand for, in order and each once.

        A name is a task (`trec`); a task and the languages to train and test on (`sib_topics:de`,
        `sib_topics:en:de+fr`, `sib_topics:en:all`; `->` is as good as the second colon); or a group:
        `all`, `english`, `single`, `multi`, `ordinal`. A task alone means English where it has English,
        else its first language.
        """
        found: dict[Trial, None] = {}
        for name in wanted:
            for trial in self._trials(name.replace("->", ":")):
                found.setdefault(trial)
        return list(found)

    def sizes(self, trial: Trial) -> list[str]:
        """The sizes that there are samples of in all training languages, and `all`."""
        common = [
            self._of_language(trial.task, language).get("0", {}).keys() | self._drawn(trial.task, language)
            for language in trial.train
        ]
        return [*sorted(set.intersection(*common), key=lambda size: (size.startswith("n"), len(size), size)), ALL]

    def sample(self, trial: Trial, size: str, seed: int) -> list[Row]:
        """The training rows: the sample of `size` and `seed` in each training language, one after another."""
        rows: list[Row] = []
        for language in trial.train:
            pool = self._rows(trial.task, "train", language)
            if size == ALL:
                rows.extend(pool)
                continue
            by_seed = self._of_language(trial.task, language)
            if size in self._drawn(trial.task, language):
                rows.extend(_stratified(pool, seed)[: _DRAWN[size]])
                continue
            if str(seed) not in by_seed:
                raise UsageError(f"{trial.task.name} has no sample with seed {seed}; seeds: {', '.join(by_seed)}.")
            by_size = by_seed[str(seed)]
            if size not in by_size:
                raise UsageError(f"{trial.name} has no sample of size {size}; sizes: {', '.join(by_size)}.")
            rows.extend(pool[number] for number in by_size[size])
        return rows

    def unlabelled(self, trial: Trial, sample: Sequence[Row], n_texts: int, seed: int) -> list[str]:
        """Texts of the train files that are not in the sample, in random order, `n_texts` at most."""
        known = {row.text for row in sample}
        texts = [
            row.text
            for language in trial.train
            for row in self._rows(trial.task, "train", language)
            if row.text not in known
        ]
        random.Random(seed).shuffle(texts)
        return texts[:n_texts]

    def tests(self, trial: Trial) -> dict[str, list[Row]]:
        """All test rows of each test language."""
        return {language: self._rows(trial.task, "test", language) for language in trial.test}

    def _rows(self, task: Task, part: str, language: str) -> list[Row]:
        name = f"{part}.{language}.jsonl" if task.one_file_a_language else f"{part}.jsonl"
        return _read_rows(self.folder / task.name / name)

    def _drawn(self, task: Task, language: str) -> set[str]:
        """The sizes that are drawn for lack of samples: those that the train file has more rows than."""
        if task.kind == "multi":
            return set()
        n_rows = len(self._rows(task, "train", language))
        there = self._of_language(task, language).get("0", {})
        return {size for size, count in _DRAWN.items() if size not in there and count < n_rows}

    def _of_language(self, task: Task, language: str) -> dict[str, dict[str, list[int]]]:
        samples = self._samples.get(task.name, {})
        found: dict[str, dict[str, list[int]]] = samples[language] if task.one_file_a_language else samples
        return found

    def _trials(self, name: str) -> list[Trial]:
        groups = {
            "all": list(self.tasks.values()),
            "english": [task for task in self.tasks.values() if task.languages == ("en",)],
            "single": [task for task in self.tasks.values() if task.kind == "single"],
            "multi": [task for task in self.tasks.values() if task.kind == "multi"],
            "ordinal": [task for task in self.tasks.values() if task.ordinal],
        }
        if name in groups:
            return [self._trial(task, "", "") for task in groups[name]]
        task_name, _, languages = name.partition(":")
        if task_name not in self.tasks:
            raise UsageError(
                f"There is no task {task_name!r} in {self.folder}. Tasks: {', '.join(self.tasks)}; "
                f"groups: {', '.join(groups)}."
            )
        train, _, test = languages.partition(":")
        return [self._trial(self.tasks[task_name], train, test)]

    def _trial(self, task: Task, train: str, test: str) -> Trial:
        usual = "en" if "en" in task.languages else task.languages[0]
        trained = _languages(task, train or usual)
        return Trial(task, trained, _languages(task, test) if test else trained)


def _stratified(rows: Sequence[Row], seed: int) -> list[Row]:
    """The rows shuffled so that each label keeps its share all along: the first ones are a sample of any size."""
    by_label: dict[tuple[str, ...], list[Row]] = {}
    for row in random.Random(seed).sample(rows, len(rows)):
        by_label.setdefault(row.labels, []).append(row)
    placed = [((place + 0.5) / len(group), row) for group in by_label.values() for place, row in enumerate(group)]
    return [row for _, row in sorted(placed, key=lambda pair: pair[0])]


def _languages(task: Task, given: str) -> tuple[str, ...]:
    if given == ALL:
        return task.languages
    languages = tuple(given.split("+"))
    for language in languages:
        if language not in task.languages:
            raise UsageError(
                f"{task.name} has no language {language!r}; it has {', '.join(task.languages)} "
                "(join several with +, or say all)."
            )
    return languages


def _task(name: str, about: dict[str, Any]) -> Task:
    return Task(
        name=name,
        kind="multi" if about["kind"] == "multi" else "single",
        ordinal=bool(about["ordinal"]),
        labels=tuple(about["labels"]),
        languages=tuple(about["languages"]),
        one_file_a_language="by_language" in about,
    )


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        raise UsageError(
            f"There is no {name} in {folder}. --data expects the folder of evaluation tasks: tasks.json, "
            "fewshot.json and a folder a task with train.jsonl and test.jsonl (see benchmarks/README.md)."
        )
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@lru_cache(maxsize=64)
def _read_rows(path: Path) -> list[Row]:
    if not path.is_file():
        raise UsageError(f"There is no {path.name} in {path.parent}; the data folder is not whole.")
    rows = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            item = json.loads(line)
            label = item["label"]
            rows.append(Row(item["text"], (label,) if isinstance(label, str) else tuple(label)))
    return rows
