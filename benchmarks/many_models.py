"""Measures what it costs to serve many models on one base: rate and memory with 1, 10 and 100 of them.

Run as `python benchmarks/many_models.py --model FOLDER --texts FILE`; see benchmarks/README.md.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
if str(_ROOT) not in sys.path:  # run as a file, Python looks in benchmarks/ only
    sys.path.insert(0, str(_ROOT))

import numpy as np  # noqa: E402

from benchmarks.harness.errors import told  # noqa: E402
from benchmarks.harness.machine import load_average, revision, this_machine  # noqa: E402
from benchmarks.harness.markdown import table  # noqa: E402
from fewfit.artifact import Artifact, read_artifact  # noqa: E402
from fewfit.data import read_texts  # noqa: E402
from fewfit.serving import Engine, ServedModel  # noqa: E402
from fewfit.serving.served import DEFAULT_OWN_TAILS, ModelLoader  # noqa: E402
from fewfit.serving.sessions import release_freed_memory  # noqa: E402

RESULTS = _ROOT / "benchmarks" / "results" / "many_models.jsonl"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command: each number of models in a process of its own, so that memory is its own."""
    options = _parser().parse_args(arguments)
    return told("many_models.py", lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    if options.models:
        print(json.dumps(measure(options)))
        return 0
    rows = []
    for count in map(int, options.counts.split(",")):
        given = ["--model", str(options.model), "--texts", str(options.texts), "--seconds", str(options.seconds)]
        command = [sys.executable, __file__, *given, "--clients", str(options.clients), "--models", str(count)]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)  # what it lacks, it says itself
        if done.returncode:
            return done.returncode
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    print("\n".join(report(rows)))
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Loads `options.models` models, each with weights of its own, and asks them in turn from many clients."""
    artifact = read_artifact(options.model)
    texts = [row.text for row in read_texts(options.texts)][:5000]
    rng = np.random.default_rng(0)
    before_mb = resident_mb()
    loader = ModelLoader(own_tails=DEFAULT_OWN_TAILS)
    with Engine() as engine:
        models = [loader.load(_another(artifact, rng)) for _ in range(options.models)]
        release_freed_memory()  # the last model's arrays, as the engine does with what it read from a folder
        loaded_mb = resident_mb()
        last, trunk = models[-1].tail, models[0].trunk
        # Of low-rank models the base's own tail is there once, too.
        shared_bytes = trunk.size_bytes + (last.shared.size_bytes if last.shared is not None else 0)
        tail_mb, trunk_mb = last.size_bytes / 2**20, shared_bytes / 2**20
        tails_mb = sum(model.tail.size_bytes for model in models) / 2**20
        texts_per_s = _traffic(engine, models, texts, options.clients, options.seconds)
        statistics = engine.statistics().to_dict()
        coroutines_per_s = asyncio.run(_coroutines(engine, models, texts, options.clients, options.seconds))
        batched_per_s = _batches(engine, models, texts, options.seconds / 2)
    return {
        "models": options.models,
        "texts_per_s": texts_per_s,
        "coroutines_texts_per_s": coroutines_per_s,
        "batches_of_96_per_s": batched_per_s,
        "texts_per_batch": statistics["texts_per_batch"],
        "padding": statistics["padding"],
        "memory_mb": loaded_mb - before_mb,
        "busy_memory_mb": resident_mb() - before_mb,
        "trunk_mb": trunk_mb,
        "tail_mb": tail_mb,
        "memory_over_weights": (loaded_mb - before_mb) / (trunk_mb + tails_mb),
        "clients": options.clients,
        "precision": models[0].precision,
        "machine": asdict(this_machine()),
        "load": load_average(),
        "revision": revision(_ROOT),
    }


def _another(artifact: Artifact, rng: np.random.Generator) -> Artifact:
    """Slightly different weights, as another training would give: nothing can be shared by accident."""
    factors = {name: np.float32(1 + 1e-4 * rng.normal()) for name in artifact.tail}
    return replace(artifact, tail={name: array * factors[name] for name, array in artifact.tail.items()})


def _traffic(
    engine: Engine, models: Sequence[ServedModel], texts: Sequence[str], clients: int, seconds: float
) -> float:
    """Texts a second that `clients` threads get, each sending single texts to one model after another."""
    answered = [0] * clients
    end_s = time.perf_counter() + seconds

    def ask(client: int) -> None:
        number = client
        while time.perf_counter() < end_s:
            engine.answer(models[number % len(models)], [texts[number % len(texts)]])
            answered[client] += 1
            number += clients + 1

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(answered) / seconds


async def _coroutines(
    engine: Engine, models: Sequence[ServedModel], texts: Sequence[str], clients: int, seconds: float
) -> float:
    """The same for coroutines of one thread."""
    end_s = time.perf_counter() + seconds

    async def ask(client: int) -> int:
        number, answered = client, 0
        while time.perf_counter() < end_s:
            await engine.answer_async(models[number % len(models)], [texts[number % len(texts)]])
            number, answered = number + clients + 1, answered + 1
        return answered

    return sum(await asyncio.gather(*map(ask, range(clients)))) / seconds


def _batches(engine: Engine, models: Sequence[ServedModel], texts: Sequence[str], seconds: float) -> float:
    """Texts a second that one caller gets who sends 96 texts at once, to one model after another."""
    answered, number = 0, 0
    started_s = time.perf_counter()
    while time.perf_counter() - started_s < seconds:
        batch = [texts[(96 * number + row) % len(texts)] for row in range(96)]
        engine.answer(models[number % len(models)], batch)
        answered, number = answered + len(batch), number + 1
    return answered / (time.perf_counter() - started_s)


def resident_mb() -> float:
    """Memory of this process, in MiB."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status does not say VmRSS; this benchmark needs Linux.")


def report(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The table of one run, in Markdown."""
    head = [
        "models",
        "texts/s",
        "of one model's",
        "of batches of 96",
        "as coroutines",
        "texts a batch",
        "padding",
        "memory MB",
        "over the weights",
    ]
    return table(
        head,
        [
            [
                str(row["models"]),
                f"{row['texts_per_s']:,.0f}",
                f"{100 * row['texts_per_s'] / rows[0]['texts_per_s']:.0f} %",
                f"{100 * row['texts_per_s'] / row['batches_of_96_per_s']:.0f} %",
                f"{100 * row['coroutines_texts_per_s'] / row['batches_of_96_per_s']:.0f} %",
                f"{row['texts_per_batch']:.1f}",
                f"{100 * row['padding']:.1f} %",
                f"{row['memory_mb']:,.0f}",
                f"{100 * (row['memory_over_weights'] - 1):+.0f} %",
            ]
            for row in rows
        ],
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="many_models.py", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--model", type=Path, required=True, help="a saved model; the others are made from it")
    add("--texts", type=Path, required=True, help="texts to classify, as `fewfit classify` reads them")
    add("--counts", default="1,10,100", help="numbers of models; default: %(default)s")
    add("--clients", type=int, default=64, help="threads, then coroutines, with single texts; default: %(default)s")
    add("--seconds", type=float, default=10, help="of traffic for each number; default: %(default)s")
    add("--models", type=int, help=argparse.SUPPRESS)
    add("--out", type=Path, default=RESULTS, help="JSON lines to append to; default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
