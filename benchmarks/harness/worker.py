"""A peer's worker process, seen from the command that asks it."""

import json
import os
import subprocess
import threading
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from benchmarks.harness.environments import python_for
from benchmarks.harness.errors import BenchmarkError
from benchmarks.harness.methods import ROOT, Method
from benchmarks.harness.metrics import Answers
from benchmarks.peers.protocol import Job

LOGS = ROOT / "benchmarks" / ".cache" / "logs"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


class WorkerError(BenchmarkError):
    """A worker could not do a job; the run goes on with the next one."""


@dataclass(frozen=True)
class Measured:
    """What a worker answered: for each test language the answers and the seconds they took, and the fit."""

    answers: dict[str, Answers]
    predict_s: dict[str, float]
    fit_s: float
    fit_cpu_s: float
    notes: dict[str, Any]


class Worker:
    """A running peer. It keeps its imports and loaded base from job to job; `close` ends it."""

    def __init__(self, method: Method, threads: int) -> None:
        self.name = method.worker
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log = LOGS / f"{method.worker}.log"
        with self.log.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [str(python_for(method.requirements)), "-m", f"benchmarks.peers.{method.worker}"],
                cwd=ROOT,
                env=_environment(threads),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C is for the command, which then ends its workers
            )
        self.versions: dict[str, str] = self._read()["versions"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self._process.poll() is None

    def ask(self, job: Job, *, limit_s: float | None = None) -> Measured:
        """Has the job done. Raises WorkerError where it fails, or takes longer than `limit_s` (then it ends)."""
        assert self._process.stdin is not None
        watchdog = threading.Timer(limit_s, self._process.kill) if limit_s else None
        if watchdog:
            watchdog.start()
        try:
            self._process.stdin.write(json.dumps(vars(job)) + "\n")
            self._process.stdin.flush()
            reply = self._read(limit_s)
        except BrokenPipeError:
            raise self._ended(limit_s) from None
        finally:
            if watchdog:
                watchdog.cancel()
        columns = tuple(reply["columns"])
        predictions = reply["predictions"].items()
        return Measured(
            answers={
                language: Answers(
                    given=[tuple(labels) for labels in p["given"]],
                    columns=columns,
                    probabilities=None if p["probabilities"] is None else np.array(p["probabilities"]),
                )
                for language, p in predictions
            },
            predict_s={language: p["predict_s"] for language, p in predictions},
            fit_s=reply["fit_s"],
            fit_cpu_s=reply["fit_cpu_s"],
            notes=reply["notes"],
        )

    def close(self) -> None:
        """Ends the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self, limit_s: float | None = None) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended(limit_s)
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise WorkerError(f"{self.name} failed: {reply['error']} (more in {self.log})")
        return reply

    def _ended(self, limit_s: float | None) -> WorkerError:
        code = self._process.wait()
        if limit_s and code < 0:
            return WorkerError(f"{self.name} was ended (it may take {limit_s:g} s a job; see --limit-s)")
        return WorkerError(f"{self.name} ended with exit code {code}; its last words are in {self.log}")


def _environment(threads: int) -> dict[str, str]:
    """The surroundings that all workers share; what decides speed is set, not inherited."""
    return os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads)) | {
        # Threads that wait sleep instead of spinning: on a shared machine spinning made two-thread training
        # ten times slower (SetFit on trec: 9 s a step instead of 0.7 s).
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONUTF8": "1",
    }  # fmt: skip
