"""wrk, a light client in C: so many connections, each with one request on its way at any time."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.errors import BenchmarkError, UsageError

# wrk runs this for every connection: texts in turn, so many a request, between what stands before and after them.
_SCRIPT = """
local texts = {%(texts)s}
local at = 0
wrk.method = "POST"
%(headers)s
function request()
  local list = {}
  for place = 1, %(n_texts)d do
    at = at %% #texts + 1
    list[place] = texts[at]
  end
  return wrk.format(nil, nil, nil, %(before)s .. table.concat(list, ",") .. %(after)s)
end
function done(summary, latency, requests)
  local refused = summary.errors.status
  local broken = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    '\\nRESULT {"requests": %%d, "seconds": %%f, "refused": %%d, "broken": %%d, ' ..
    '"p50_ms": %%f, "p95_ms": %%f, "p99_ms": %%f}\\n',
    summary.requests, summary.duration / 1e6, refused, broken,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
"""
_SLOWEST_S = 120


@dataclass(frozen=True)
class Traffic:
    """What came back. `refused` requests had another status than 2xx or 3xx, `broken` ones none at all."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def answered_per_s(self) -> float:
        """Requests that were answered well, a second."""
        return (self.requests - self.refused) / self.seconds


@dataclass(frozen=True)
class Ask:
    """How a server is asked: the JSON before and after a list of texts, and headers."""

    url: str
    before: str
    after: str
    headers: Mapping[str, str]

    def body(self, texts: Sequence[str]) -> bytes:
        """One request's body."""
        return (self.before + ",".join(map(json.dumps, texts)) + self.after).encode()


def find_wrk() -> str:
    """Where wrk is. Raises UsageError where it is not installed."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise UsageError("wrk is not installed; it is in Debian and Ubuntu: apt-get install wrk.")
    return wrk


def send(
    ask: Ask, texts: Sequence[str], *, clients: int, n_texts: int, seconds: float, cores: frozenset[int] | None
) -> Traffic:
    """Keeps `clients` connections busy for `seconds` with requests of `n_texts` texts each.

    wrk runs on `cores`. Raises UsageError where it is not installed, BenchmarkError where it says nothing.
    """
    wrk = find_wrk()
    headers = {"Content-Type": "application/json", **ask.headers}
    script = _SCRIPT % {
        "texts": ",".join(lua(json.dumps(text)) for text in texts),
        "headers": "\n".join(f"wrk.headers[{lua(name)}] = {lua(value)}" for name, value in headers.items()),
        "n_texts": n_texts,
        "before": lua(ask.before),
        "after": lua(ask.after),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requests.lua"
        path.write_text(script, encoding="utf-8")
        command = [
            wrk,
            "-t1",
            f"-c{clients}",
            f"-d{seconds:.0f}s",
            f"--timeout={_SLOWEST_S}s",
            "-s",
            str(path),
            ask.url,
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + _SLOWEST_S + 30,
            preexec_fn=None if cores is None else lambda: os.sched_setaffinity(0, cores),
        )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return Traffic(**json.loads(line.removeprefix("RESULT ")))
    raise BenchmarkError(f"wrk said no result: {(done.stdout + done.stderr)[-500:]}")


def lua(text: str) -> str:
    """A string as Lua reads it."""
    return '"' + "".join(_escaped(byte) for byte in text.encode()) + '"'


def _escaped(byte: int) -> str:
    return chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\' else f"\\{byte:03d}"
