"""Runs what is still missing and keeps each result as soon as it is there."""

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from benchmarks.harness.machine import load_average, revision, this_machine
from benchmarks.harness.methods import ROOT
from benchmarks.harness.metrics import score
from benchmarks.harness.plan import Step
from benchmarks.harness.results import Result, Results
from benchmarks.harness.tasks import EvaluationData
from benchmarks.harness.worker import Worker, WorkerError
from benchmarks.peers.protocol import Job

# Made up; what a worker does first (loading code, choosing kernels) is not part of a measurement.
_WARM_UP = {
    "money": ("where is my refund", "the bill is too high", "I was charged twice", "send the invoice again"),
    "access": ("I cannot log in", "reset my password", "the code never arrives", "my account is locked"),
}


class Runner:
    """Makes measurements, one at a time. Workers stay up between them; `close` ends them all."""

    def __init__(self, data: EvaluationData, results: Results, *, limit_s: float | None = None) -> None:
        self._data = data
        self._results = results
        self._limit_s = limit_s
        self._workers: dict[tuple[str, str], Worker] = {}
        self._warm: set[tuple[str, str, str, str]] = set()
        self._machine = asdict(this_machine())
        self._revision = revision(ROOT)

    def run(self, steps: Sequence[Step]) -> list[str]:
        """Measures every step and stores its result; what failed is said and returned, and the run goes on."""
        failures = []
        for number, step in enumerate(steps, 1):
            start = time.perf_counter()
            try:
                result = self.measure(step)
            except WorkerError as error:
                failures.append(f"{step}: {error}")
                print(f"[{number}/{len(steps)}] {failures[-1]}", file=sys.stderr)
                continue
            self._results.add(result)
            print(f"[{number}/{len(steps)}] {step}: {_headline(result)} ({_seconds(start)})", file=sys.stderr)
        return failures

    def measure(self, step: Step) -> Result:
        """Trains and tests one method on one sample. Raises WorkerError where its worker fails."""
        rows = self._data.sample(step.trial, step.size, step.seed)
        tests = self._data.tests(step.trial)
        job = Job(
            kind=step.trial.task.kind,
            labels=sorted({label for row in rows for label in row.labels}),
            texts=[row.text for row in rows],
            targets=[list(row.labels) for row in rows],
            tests={language: [row.text for row in part] for language, part in tests.items()},
            base=str(step.base.folder) if step.method.uses_base else "",
            prefix=step.base.prefix if step.method.uses_base else "",
            seed=step.seed,
            threads=step.threads,
            train_languages=list(step.trial.train),
            settings=step.method.all_settings,
            unlabelled=self._data.unlabelled(
                step.trial, rows, int(step.method.settings.get("unlabelled", 0)), step.seed
            ),
        )
        worker = self._worker(step, job)
        load = load_average()
        measured = worker.ask(job, limit_s=self._limit_s)
        return Result(
            trial=step.trial.name,
            task=step.trial.task.name,
            kind=step.trial.task.kind,
            train=list(step.trial.train),
            test=list(step.trial.test),
            size=step.size,
            seed=step.seed,
            n_train=len(rows),
            method=step.method.name,
            settings=step.method.settings,
            base=step.base.name if step.method.uses_base else "",
            base_digest=step.key.base,
            threads=step.threads,
            tests={
                language: {"n": len(part)}
                | score(step.trial.task, [row.labels for row in part], measured.answers[language])
                | {"predict_s": measured.predict_s[language]}
                for language, part in tests.items()
            },
            fit_s=measured.fit_s,
            fit_cpu_s=measured.fit_cpu_s,
            notes=measured.notes,
            code=step.key.code,
            versions=worker.versions,
            machine=self._machine,
            load=load,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            revision=self._revision,
            prefix=job.prefix,
        )

    def close(self) -> None:
        """Ends all workers."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()

    def _worker(self, step: Step, job: Job) -> Worker:
        place = (step.method.worker, str(step.threads))
        worker = self._workers.get(place)
        if worker is None or not worker.alive:
            if worker is not None:
                worker.close()
            worker = self._workers[place] = Worker(step.method, step.threads)
            self._warm = {warm for warm in self._warm if warm[:2] != place}
        warm = (*place, job.kind, job.base)
        if warm not in self._warm:
            worker.ask(_warm_up(job), limit_s=self._limit_s)
            self._warm.add(warm)
        return worker


def _warm_up(job: Job) -> Job:
    rows = [(text, [label]) for label, texts in _WARM_UP.items() for text in texts]
    return Job(
        **(
            vars(job)
            | {
                "labels": sorted(_WARM_UP),
                "texts": [text for text, _ in rows],
                "targets": [labels for _, labels in rows],
                "tests": {"en": ["who do I ask about a payment"]},
                "unlabelled": [],
            }
        )
    )


def _headline(result: Result) -> str:
    name = "accuracy" if result.kind == "single" else "macro_f1"
    mean = math.fsum(test[name] for test in result.tests.values()) / len(result.tests)
    return f"{name.replace('_', '-')} {100 * mean:.1f}, fit {result.fit_s:.1f} s"


def _seconds(start: float) -> str:
    return f"{time.perf_counter() - start:.1f} s in all"
