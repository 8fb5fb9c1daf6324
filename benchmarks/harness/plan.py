"""What is to be measured, in which order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.harness.errors import UsageError
from benchmarks.harness.methods import Method, refusal
from benchmarks.harness.results import Key
from benchmarks.harness.tasks import ALL, EvaluationData, Trial


@dataclass(frozen=True)
class Base:
    """A base as all methods get it: its folder, what its texts begin with, the digest of its weights."""

    name: str
    folder: Path
    digest: str
    prefix: str


@dataclass(frozen=True)
class Step:
    """One measurement: a method on a sample."""

    trial: Trial
    size: str
    seed: int
    method: Method
    base: Base
    threads: int

    @cached_property
    def key(self) -> Key:
        """What it is found under in the results."""
        return Key(
            task=self.trial.task.name,
            train=self.trial.train,
            test=self.trial.test,
            size=self.size,
            seed=self.seed,
            method=self.method.name,
            settings=json.dumps(self.method.settings, sort_keys=True),
            base=self.base.digest if self.method.uses_base else "",
            threads=self.threads,
            code=self.method.code(),
        )

    def __str__(self) -> str:
        return f"{self.trial.name}, size {self.size}, seed {self.seed}, {self.method.label}"


@dataclass(frozen=True)
class Plan:
    """The steps in their order, and what was asked for but cannot be, with the reason."""

    steps: list[Step]
    left_out: list[str]


def plan(
    data: EvaluationData,
    trials: Sequence[Trial],
    sizes: Sequence[str],
    seeds: Sequence[int],
    methods: Sequence[Method],
    bases: Sequence[Base],
    threads: int,
) -> Plan:
    """Everything asked for, sample by sample: all methods on one sample follow each other.

    So a machine that gets slower or faster does so for all of them; which method comes first changes
    with the seed. Sizes that a task has no sample of are left out, with a line about it. Raises
    UsageError where nothing remains.
    """
    steps: dict[Key, Step] = {}
    left_out: dict[str, dict[str, None]] = {}
    for base in bases:
        for trial in trials:
            there = data.sizes(trial)
            for seed in seeds:
                for size, method in _interleaved(sizes, methods, seed):
                    step = Step(trial, size, seed, method, base, threads)
                    if size not in there:
                        left_out.setdefault(f"there are no samples of size {size}", {})[trial.name] = None
                    elif reason := refusal(method, trial.task.kind, size):
                        left_out.setdefault(reason, {})[trial.name] = None
                    elif not (size == ALL and method.deterministic and seed != seeds[0]):
                        steps.setdefault(step.key, step)
    lines = [f"{', '.join(names)}: {reason}" for reason, names in left_out.items()]
    if not steps:
        raise UsageError("Nothing can be measured:\n  " + "\n  ".join(lines))
    return Plan(list(steps.values()), lines)


def _interleaved(sizes: Sequence[str], methods: Sequence[Method], seed: int) -> list[tuple[str, Method]]:
    shift = seed % len(methods)
    turned = [*methods[shift:], *methods[:shift]]
    usual = [(size, method) for size in sizes for method in turned if method.size is None]
    return usual + [(method.size, method) for method in turned if method.size is not None]
