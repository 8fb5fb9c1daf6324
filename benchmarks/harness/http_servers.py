"""The servers whose speed is compared: each a process group of its own, on cores of its own, asleep until asked."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.harness.environments import python_for
from benchmarks.harness.errors import BenchmarkError
from benchmarks.harness.methods import ROOT
from benchmarks.harness.wrk import Ask

LOGS = ROOT / "benchmarks" / ".cache" / "logs"
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_READY_S = 180.0
_IDLE_S = 60.0
Cores = frozenset[int] | None


class HttpServer(ABC):
    """A server on a free port of this machine. Between measurements it is stopped (SIGSTOP)."""

    name: ClassVar[str]
    # Whether a request may have several texts.
    takes_lists: ClassVar[bool] = True

    def __init__(self, about: Mapping[str, Any], cores: Cores) -> None:
        self.about = about
        self.port = free_port()
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log = LOGS / f"load-{self.name}.log"
        threads = str(about["threads"])
        environment = os.environ | dict.fromkeys(_THREADS, threads) | self.environment()
        environment |= {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
        with self.log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=None if cores is None else lambda: os.sched_setaffinity(0, cores),
            )
        try:
            self._wait()
        except BaseException:
            self.close()
            raise
        self._signal(signal.SIGSTOP)

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it."""

    @abstractmethod
    def ask(self) -> Ask:
        """How to ask it."""

    def environment(self) -> dict[str, str]:
        """Environment variables of its own."""
        return {}

    @contextmanager
    def awake(self) -> Iterator[Ask]:
        """Lets it run for a while, and until it has done what was asked of it."""
        self._signal(signal.SIGCONT)
        try:
            yield self.ask()
            self._finish()
        finally:
            self._signal(signal.SIGSTOP)

    def cpu_s(self) -> float:
        """Seconds of CPU that its processes have used: some answer from other ones than the first."""
        own = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        return sum(_cpu_s(pid, self._process.pid) for pid in own)

    def _finish(self) -> None:
        """Waits until it is idle: requests whose client has gone would otherwise weigh on the next measurement."""
        until_s = time.monotonic() + _IDLE_S
        while time.monotonic() < until_s:
            before = self.cpu_s()
            time.sleep(0.5)
            if self.cpu_s() - before < 0.05:
                return

    def close(self) -> None:
        """Ends it with all its processes."""
        self._signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with suppress(ProcessLookupError):  # LitServe's workers outlive it
            os.killpg(self._process.pid, signal.SIGKILL)

    def request(self, path: str, body: bytes | None, headers: Mapping[str, str], method: str = "POST") -> Any:
        """One request; its JSON. Raises BenchmarkError for another status than 200."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise BenchmarkError(f"{self.name} answered {response.status}: {content[:300]!r}; see {self.log}")
        return json.loads(content)

    def _wait(self) -> None:
        until_s = time.monotonic() + _READY_S
        ask = self.ask()
        path = ask.url.removeprefix(f"http://127.0.0.1:{self.port}")
        while True:
            try:
                self.request(path, ask.body(["ready?"]), ask.headers)
                return
            except (OSError, HTTPException, BenchmarkError) as error:
                if self._process.poll() is not None or time.monotonic() > until_s:
                    raise BenchmarkError(f"{self.name} does not serve: {error}; see {self.log}") from error
                time.sleep(0.25)

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)


class Plain(HttpServer):
    """SetFit behind a FastAPI route, one text a request."""

    name = "setfit-fastapi"
    takes_lists = False

    def command(self) -> list[str]:
        """Starts our few lines in the peer's environment."""
        return _setfit(self, "http_setfit")

    def ask(self) -> Ask:
        """A text."""
        return Ask(f"http://127.0.0.1:{self.port}/classify", '{"text":', "}", {})


class LitServe(HttpServer):
    """SetFit behind LitServe, which batches over requests."""

    name = "setfit-litserve"

    def command(self) -> list[str]:
        """Starts our few lines in the peer's environment."""
        return _setfit(self, "litserve_setfit")

    def ask(self) -> Ask:
        """A list of texts."""
        return Ask(f"http://127.0.0.1:{self.port}/classify", '{"inputs":[', "]}", {})


class Infinity(HttpServer):
    """infinity-emb with the same base: it embeds, and leaves the classifying to its client."""

    name = "infinity"

    def command(self) -> list[str]:
        """Its own command line."""
        binary = python_for("infinity.txt").parent / "infinity_emb"
        options = ["--engine", "torch", "--device", "cpu", "--no-bettertransformer", "--no-model-warmup"]
        return [str(binary), "v2", "--model-id", self.about["base"], "--port", str(self.port), *options]

    def environment(self) -> dict[str, str]:
        """It reports its use to its makers unless told otherwise."""
        return {"DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}

    def ask(self) -> Ask:
        """A list of texts."""
        model = Path(self.about["base"]).name
        return Ask(f"http://127.0.0.1:{self.port}/embeddings", f'{{"model":{json.dumps(model)},"input":[', "]}", {})


PEERS: dict[str, type[HttpServer]] = {one.name: one for one in (Plain, LitServe, Infinity)}


def _setfit(server: HttpServer, module: str) -> list[str]:
    python = str(python_for("http-setfit.txt"))
    return [python, "-m", f"benchmarks.peers.{module}", str(server.port), json.dumps(dict(server.about))]


def _cpu_s(pid: int, group: int) -> float:
    """Seconds of CPU of a process, 0 where it has ended or is not of the group."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    if int(fields[2]) != group:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def fewfit_command(port: int, data: Path, more: Sequence[str]) -> list[str]:
    """Starts our server."""
    entry = "from fewfit.cli import main; main()"
    return [sys.executable, "-c", entry, "serve", "--port", str(port), "--data", str(data), *more]
