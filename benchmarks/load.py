"""Measures our HTTP service under load, beside SetFit behind FastAPI and LitServe, infinity-emb, and the engine alone.

Run as `python benchmarks/load.py`; see benchmarks/README.md.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, Self

_ROOT = Path(__file__).resolve().parents[1]
if str(_ROOT) not in sys.path:  # run as a file, Python looks in benchmarks/ only
    sys.path.insert(0, str(_ROOT))

from benchmarks.harness.errors import BenchmarkError, UsageError, told  # noqa: E402
from benchmarks.harness.fewfit_server import FewfitServer  # noqa: E402
from benchmarks.harness.http_servers import PEERS, HttpServer  # noqa: E402
from benchmarks.harness.load_report import chart, report  # noqa: E402
from benchmarks.harness.machine import load_average, revision, this_machine  # noqa: E402
from benchmarks.harness.options import counts, pairs, some_of  # noqa: E402
from benchmarks.harness.tasks import EvaluationData, Row  # noqa: E402
from benchmarks.harness.wrk import Traffic, find_wrk, send  # noqa: E402
from fewfit.encoders.config import read_config  # noqa: E402
from fewfit.encoders.tokenizing import Tokenizer  # noqa: E402
from fewfit.encoders.weights import locate  # noqa: E402
from fewfit.samples import load_sample  # noqa: E402

RESULTS = _ROOT / "benchmarks" / "results" / "load.jsonl"
_DATA = _ROOT / "benchmarks" / ".cache" / "load"
_FAST_DATA = _ROOT / "benchmarks" / ".cache" / "load-fast"
_MANY_TEXTS = 1000  # on their way at once: such a cell is measured for longer
_LONGER = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is 0, 1 where something could not be measured, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an end from outside ends the servers, too
    return told("load.py", lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    if options.table_only:
        if not options.out.is_file():
            raise UsageError(f"There are no results in {options.out} to make tables of.")
        rows = [json.loads(line) for line in options.out.read_text(encoding="utf-8").splitlines()]
        _tables(options.out, [row for row in rows if row["at"] == rows[-1]["at"]])
        return 0
    server_cores, client_cores = _cores(options)
    # What is missing is said now, not after all else is measured.
    find_wrk()
    fast = _fast_task(options) if options.data else None
    about = _about(options, threads=len(server_cores))
    ours = FewfitServer.trained(about, _DATA)
    ours.close()
    failed: list[str] = []
    rows = _alone(options, ours, about, server_cores, client_cores, failed)
    if options.beside:
        rows += _beside(options, ours, about)
    if fast:
        rows += _fast(options, about, *fast)
    circumstances = _circumstances(options, about)
    rows = [row | circumstances for row in rows]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    _tables(options.out, rows)
    print("\n".join(failed), file=sys.stderr)
    return 1 if failed else 0


def _alone(
    options: argparse.Namespace,
    ours: FewfitServer,
    about: Mapping[str, Any],
    server_cores: frozenset[int],
    client_cores: frozenset[int],
    failed: list[str],
) -> list[dict[str, Any]]:
    """Every server on the same cores, the client on the others, in turn; the engine alone in between."""
    traffic: dict[tuple[str, int, int], list[Traffic]] = {}
    cpu_ms: dict[tuple[str, int, int], list[float]] = {}
    rates: list[dict[str, float]] = []
    with ExitStack() as running:
        servers: list[HttpServer] = [FewfitServer(about, server_cores, data=_DATA, key=ours.key, model=ours.model)]
        running.callback(servers[0].close)
        engine = running.enter_context(EngineAlone(ours.folder, about["asked"], server_cores))
        for name in options.peers:
            try:
                servers.append(PEERS[name](about, server_cores))
                running.callback(servers[-1].close)
            except BenchmarkError as error:
                failed.append(str(error))
        for repetition in range(options.repetitions):
            rates.append(engine.measure())
            for clients, n_texts in _cells(options):
                turn = repetition % len(servers)
                for server in [*servers[turn:], *servers[:turn]]:
                    if n_texts == 1 or server.takes_lists:
                        before_s = server.cpu_s()
                        with server.awake() as ask:
                            seconds = options.seconds * (_LONGER if clients * n_texts > _MANY_TEXTS else 1)
                            found = send(
                                ask,
                                about["asked"],
                                clients=clients,
                                n_texts=n_texts,
                                seconds=seconds,
                                cores=client_cores,
                            )
                        key = (server.name, clients, n_texts)
                        traffic.setdefault(key, []).append(found)
                        # Over answered texts: a server that works on for clients who have gone uses more for each.
                        worked = n_texts * max(1, found.requests - found.refused)
                        cpu_ms.setdefault(key, []).append((server.cpu_s() - before_s) * 1e3 / worked)
        rates.append(engine.measure())
        about_engine = {
            "precision": engine.precision,
            "texts_per_s": [rate["texts_per_s"] for rate in rates],
            "single_ms": [rate["single_ms"] for rate in rates],
            "cpu_ms": [rate["cpu_ms"] for rate in rates],
        }
    return [
        _row(name, clients, n_texts, found)
        | {"part": "alone", "engine": about_engine, "cpu_ms": cpu_ms[name, clients, n_texts]}
        for (name, clients, n_texts), found in traffic.items()
    ]


def _beside(options: argparse.Namespace, ours: FewfitServer, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Our server on all cores, with a training job on the same cores in between."""
    threads = {"threads": len(os.sched_getaffinity(0))}
    server = FewfitServer({**about, **threads}, None, data=_DATA, key=ours.key, model=ours.model)
    texts, labels = _many(about)
    found: dict[tuple[str, int, int], list[Traffic]] = {}

    def measure(part: str) -> None:
        for clients, n_texts in options.beside:
            traffic = send(
                ask, about["asked"], clients=clients, n_texts=n_texts, seconds=2 * options.seconds, cores=None
            )
            found.setdefault((part, clients, n_texts), []).append(traffic)

    try:
        with server.awake() as ask:
            for _ in range(options.repetitions):
                measure("without training")
                with server.training(texts, labels):
                    measure("beside training")
                measure("without training")
    finally:
        server.close()
    return [
        _row("fewfit", clients, n_texts, traffic) | {"part": part}
        for (part, clients, n_texts), traffic in found.items()
    ]


def _fast_task(options: argparse.Namespace) -> tuple[list[Row], list[str], list[str]]:
    """The sample that a fast tier's model is trained on, texts without labels to teach it on, and texts to ask."""
    data = EvaluationData(options.data)
    (trial,) = data.trials([options.fast_task])
    sample = data.sample(trial, "64", 0)
    known = {row.text for row in sample}
    unlabelled = [row.text for row in data.sample(trial, "all", 0) if row.text not in known][:2000]
    return sample, unlabelled, [row.text for row in data.tests(trial)[trial.test[0]]]


def _fast(
    options: argparse.Namespace,
    about: Mapping[str, Any],
    sample: Sequence[Row],
    unlabelled: Sequence[str],
    tests: Sequence[str],
) -> list[dict[str, Any]]:
    """Our server on all cores with a model that has a fast tier, asked with and without it in turn."""
    trained = {"texts": [row.text for row in sample], "targets": [row.labels[0] for row in sample]}
    threads = {"threads": len(os.sched_getaffinity(0))}
    server = FewfitServer.trained({**about, **threads, **trained}, _FAST_DATA)
    found: dict[tuple[str, int, int], list[Traffic]] = {}
    try:
        with server.awake():
            server.distil(unlabelled)
            for _ in range(options.repetitions):
                for clients, n_texts in options.fast:
                    for part, speed in (("in full", None), ("fast tier", "fast")):
                        traffic = send(
                            server.ask(speed),
                            tests,
                            clients=clients,
                            n_texts=n_texts,
                            seconds=2 * options.seconds,
                            cores=None,
                        )
                        found.setdefault((part, clients, n_texts), []).append(traffic)
    finally:
        server.close()
    return [
        _row("fewfit", clients, n_texts, traffic) | {"part": part, "task": options.fast_task}
        for (part, clients, n_texts), traffic in found.items()
    ]


def _many(about: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Enough different texts for a job that takes minutes: pairs of texts with one label."""
    pairs = zip(about["texts"], about["targets"], strict=True)
    by_label: dict[str, list[str]] = {}
    for text, label in pairs:
        by_label.setdefault(label, []).append(text)
    rows = [(f"{first} {second}", label) for label, own in by_label.items() for first in own for second in own[:25]]
    return [text for text, _ in rows], [label for _, label in rows]


def _row(name: str, clients: int, n_texts: int, found: Sequence[Traffic]) -> dict[str, Any]:
    return {
        "server": name,
        "clients": clients,
        "texts": n_texts,
        "texts_per_s": [n_texts * traffic.answered_per_s for traffic in found],
        **{name: [getattr(traffic, name) for traffic in found] for name in ("p50_ms", "p95_ms", "p99_ms")},
        "requests": sum(traffic.requests for traffic in found),
        "refused": sum(traffic.refused for traffic in found),
        "broken": sum(traffic.broken for traffic in found),
    }


class EngineAlone:
    """The engine in a process of its own, on the cores of the servers, asleep between measurements."""

    def __init__(self, folder: Path, texts: Sequence[str], cores: frozenset[int]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers.engine_rate", str(folder), str(len(cores))],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        self.precision = str(self._ask(json.dumps(list(texts)))["precision"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate(timeout=30)

    def measure(self) -> dict[str, float]:
        """Texts a second, and milliseconds of one text."""
        return self._ask("again")

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise BenchmarkError("The engine alone has ended; see what it said above.")
        found: dict[str, Any] = json.loads(answer)
        return found


def _cells(options: argparse.Namespace) -> Iterator[tuple[int, int]]:
    for clients in options.clients:
        for n_texts in options.texts:
            yield clients, n_texts


def _cores(options: argparse.Namespace) -> tuple[frozenset[int], frozenset[int]]:
    """The cores of the servers and of the client."""
    if not hasattr(os, "sched_getaffinity"):
        raise UsageError("Servers and client are put on cores of their own, which needs Linux.")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise UsageError("There is one core; servers and client need one each.")
    if not 0 < options.server_cores < len(cores):
        raise UsageError(f"--server-cores is {options.server_cores}; expected 1 to {len(cores) - 1} on this machine.")
    return frozenset(cores[: options.server_cores]), frozenset(cores[options.server_cores :])


def _about(options: argparse.Namespace, *, threads: int) -> dict[str, Any]:
    weights = locate(options.base)
    texts, labels = load_sample("support", "train")
    asked, _ = load_sample("support", "test")
    lengths = [len(ids) for ids in Tokenizer.load(weights).encode(asked)]
    return {
        "base": str(weights.folder),
        "prefix": read_config(weights).prefix,
        "texts": texts,
        "targets": labels,
        "asked": asked,
        "median_tokens": median(lengths),
        "threads": threads,
    }


def _circumstances(options: argparse.Namespace, about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "base": options.base,
        "median_tokens": about["median_tokens"],
        "server_cores": options.server_cores,
        "seconds": options.seconds,
        "machine": asdict(this_machine()),
        "load": load_average(),
        "revision": revision(_ROOT),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _tables(out: Path, rows: Sequence[dict[str, Any]]) -> None:
    out.with_suffix(".md").write_text("\n".join(report(rows)) + "\n", encoding="utf-8")
    out.with_suffix(".svg").write_text(chart(rows), encoding="utf-8")
    print("\n".join(report(rows)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="load.py", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--base", default="english-small", help="a name or folder; default: %(default)s")
    add(
        "--peers",
        type=some_of(PEERS),
        default=",".join(PEERS),
        help="servers to compare with, or nothing; default: %(default)s",
    )
    add("--clients", type=counts, default="1,8,64", help="connections; default: %(default)s")
    add("--texts", type=counts, default="1,8,96", help="texts a request; default: %(default)s")
    add(
        "--beside",
        type=pairs,
        default="1x1,8x1,64x1",
        help="CLIENTSxTEXTS beside training, or nothing; default: %(default)s",
    )
    add("--data", type=Path, metavar="FOLDER", help="folder of evaluation tasks, for the fast tier; without it, none")
    add("--fast-task", default="sms_spam", help="task of the model with a fast tier; default: %(default)s")
    add("--fast", type=pairs, default="8x1,8x96", help="CLIENTSxTEXTS with the fast tier; default: %(default)s")
    add("--server-cores", type=int, default=1, help="cores of each server, the others are the client's; default: 1")
    add("--seconds", type=int, default=3, help="of each measurement; default: %(default)s")
    add("--repetitions", type=int, default=2)
    add("--table-only", action="store_true", help="tables and chart again, from the newest rows")
    add("--out", type=Path, default=RESULTS, help="JSON lines to append to; default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
