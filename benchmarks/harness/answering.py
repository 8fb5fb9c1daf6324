"""A process that classifies by the clock, and the machine's own limits beside it."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.harness.environments import python_for
from benchmarks.harness.errors import BenchmarkError
from benchmarks.harness.methods import ROOT

LOGS = ROOT / "benchmarks" / ".cache" / "logs"
REQUIREMENTS = {
    "fewfit-fast": None,
    "fewfit-int8": None,
    "fewfit-mixed": None,
    "fewfit-fp32": None,
    "setfit": "setfit.txt",
    "st-torch": "classical.txt",
    "st-onnx": "st-onnx.txt",
    "st-onnx-int8": "st-onnx.txt",
    "st-openvino": "st-openvino.txt",
    "infinity": "infinity.txt",
}
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Answering:
    """A running peer that answers batches. Raises BenchmarkError where it cannot be made."""

    def __init__(self, about: dict[str, Any]) -> None:
        self.variant: str = about["variant"]
        LOGS.mkdir(parents=True, exist_ok=True)
        self._log = LOGS / f"speed-{self.variant}.log"
        environment = os.environ | dict.fromkeys(_THREADS, str(about["threads"]))
        environment |= {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [str(python_for(REQUIREMENTS[self.variant])), "-m", "benchmarks.peers.answering"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
            )
        ready = self._ask(about)
        self.ready_s: float = ready["ready_s"]
        self.memory_mb: float = ready["memory_mb"]

    def answer(self, batches: Sequence[Sequence[str]]) -> tuple[list[float], list[str]]:
        """The seconds that each batch took, and the labels of all texts."""
        reply = self._ask({"batches": [list(batch) for batch in batches]})
        self.memory_mb = reply["memory_mb"]
        return reply["seconds"], reply["labels"]

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:  # infinity's own threads go on
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _ask(self, content: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(content) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; what it said last is read below
        line = self._process.stdout.readline()
        reply: dict[str, Any] = json.loads(line) if line else {"error": f"it ended; see {self._log}"}
        if "error" in reply:
            raise BenchmarkError(f"{self.variant}: {reply['error']}")
        return reply


@dataclass(frozen=True)
class Peak:
    """The most matrix multiplication that this machine's cores do together, in billions of operations a second."""

    fp32: float
    int8: float


def measure_peak(threads: int, size: int = 1024, repetitions: int = 6) -> Peak:
    """Multiplies square matrices on `threads` threads at once, in onnxruntime's float32 and int8 kernels."""
    return Peak(*(_rate(kind, threads, size, repetitions) for kind in ("fp32", "int8")))


def _rate(kind: str, threads: int, size: int, repetitions: int) -> float:
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    float_kind = kind == "fp32"
    left = (
        rng.normal(size=(size, size)).astype(np.float32) if float_kind else rng.integers(0, 255, (size, size), np.uint8)
    )
    right = (
        rng.normal(size=(size, size)).astype(np.float32)
        if float_kind
        else rng.integers(-127, 127, (size, size), np.int8)
    )
    types = (TensorProto.FLOAT, TensorProto.FLOAT) if float_kind else (TensorProto.UINT8, TensorProto.INT32)
    node = helper.make_node("MatMul" if float_kind else "MatMulInteger", ["a", "b"], ["c"])
    values = [helper.make_tensor_value_info(name, kind_, [size, size]) for name, kind_ in zip("ac", types, strict=True)]
    graph = helper.make_graph([node], "peak", values[:1], values[1:], [numpy_helper.from_array(right, "b")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    session.run(None, {"a": left})

    def work() -> None:
        for _ in range(repetitions):
            session.run(None, {"a": left})

    rates = []
    for _ in range(3):
        workers = [threading.Thread(target=work) for _ in range(threads)]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        rates.append(2 * size**3 * repetitions * threads / (time.perf_counter() - start) / 1e9)
    return max(rates)


def operations(lengths: Sequence[int], *, layers: int, hidden: int, intermediate: int) -> float:
    """Multiplications and additions that an encoder needs for texts of these lengths, without padding."""
    tokens = np.asarray(lengths, dtype=float)
    per_token = 2 * layers * (4 * hidden**2 + 2 * hidden * intermediate)
    return float((per_token * tokens + 4 * layers * hidden * tokens**2).sum())


def summary(rates: Sequence[float]) -> str:
    """Median and range of texts a second."""
    return f"{median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})"
