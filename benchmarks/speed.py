"""Measures how fast fewfit answers beside SetFit and sentence-transformers, and beside the machine's own limit.

Run as `python benchmarks/speed.py --data FOLDER`; see benchmarks/README.md.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
if str(_ROOT) not in sys.path:  # run as a file, Python looks in benchmarks/ only
    sys.path.insert(0, str(_ROOT))

import numpy as np  # noqa: E402

from benchmarks.harness.answering import (  # noqa: E402
    REQUIREMENTS,
    Answering,
    Peak,
    measure_peak,
    operations,
    summary,
)
from benchmarks.harness.errors import BenchmarkError, told  # noqa: E402
from benchmarks.harness.machine import load_average, revision, this_machine  # noqa: E402
from benchmarks.harness.markdown import table  # noqa: E402
from benchmarks.harness.options import counts, some_of  # noqa: E402
from benchmarks.harness.tasks import EvaluationData  # noqa: E402
from fewfit import Classifier  # noqa: E402
from fewfit.encoders.config import read_config  # noqa: E402
from fewfit.encoders.tokenizing import Tokenizer  # noqa: E402
from fewfit.encoders.weights import Weights, locate  # noqa: E402
from fewfit.training import TrainingSettings  # noqa: E402

RESULTS = _ROOT / "benchmarks" / "results" / "speed.jsonl"
_INT8 = ("fewfit-int8", "fewfit-mixed", "st-onnx-int8")
_REFERENCE = "fewfit-fp32"
_CALLS = {1: 64, 8: 12, 96: 3, 1000: 1}  # calls of a repetition, by batch size


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is 0, 1 where something could not be measured, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    return told("speed.py", lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    data = EvaluationData(options.data)
    weights = locate(options.base)
    (trial,) = data.trials([options.task])
    mixtures = {name: _texts(data, name) for name in options.mixtures.split(",")}
    sample = data.sample(trial, options.size, 0)
    tests = data.tests(trial)[trial.test[0]][: options.test_rows]
    about = {
        "base": str(weights.folder),
        "prefix": read_config(weights).prefix,
        "texts": [row.text for row in sample],
        "targets": [row.labels[0] for row in sample],
        "threads": options.threads,
        "model": str(_trained(options, sample, [row.text for row in data.sample(trial, "all", 0)][:2000])),
    }
    peers, failed = [], []
    for variant in options.variants:
        try:
            peers.append(Answering(about | {"variant": variant}))
        except BenchmarkError as error:
            failed.append(str(error))
    try:
        rows = _measure(options, mixtures, peers, weights, tests)
    finally:
        for peer in peers:
            peer.close()
    _write(options.out, rows)
    print("\n".join(failed), file=sys.stderr)
    return 1 if failed else 0


def _texts(data: EvaluationData, task: str) -> list[str]:
    (trial,) = data.trials([task])
    return [row.text for row in data.tests(trial)[trial.test[0]]]


def _trained(options: argparse.Namespace, sample: Sequence[Any], unlabelled: Sequence[str]) -> Path:
    """A fewfit model for the task, with a fast tier where one can be had, trained once and kept."""
    folder = _ROOT / "benchmarks" / ".cache" / "speed" / f"{options.task}-{Path(options.base).name}-{options.size}"
    if not (folder / "model.json").is_file():
        classifier = Classifier(base=options.base, settings=TrainingSettings(n_folds=0))
        classifier.fit([row.text for row in sample], [row.labels[0] for row in sample])
        if "fewfit-fast" in options.variants:
            classifier.distil(unlabelled)
        classifier.save(folder)
    return folder


def _measure(
    options: argparse.Namespace,
    mixtures: Mapping[str, Sequence[str]],
    peers: Sequence[Answering],
    weights: Weights,
    tests: Sequence[Any],
) -> list[dict[str, Any]]:
    config = read_config(weights)
    shape = json.loads((weights.folder / "config.json").read_text(encoding="utf-8"))
    intermediate = int(shape.get("intermediate_size") or shape["hidden_dim"])
    tokenizer = Tokenizer.load(weights)
    said = {peer.variant: peer.answer([[row.text for row in tests]])[1] for peer in peers}
    truth = [row.labels[0] for row in tests]
    rows: list[dict[str, Any]] = []
    peaks: list[Peak] = []
    for name, texts in mixtures.items():
        lengths = [len(ids) for ids in tokenizer.encode(texts[:1000])]
        work = operations(lengths, layers=config.n_layers, hidden=config.hidden_size, intermediate=intermediate)
        for size in options.sizes:
            peaks.append(measure_peak(options.threads))
            seconds = _interleaved(peers, texts, size, options.repetitions)
            for peer in peers:
                repeated = seconds[peer.variant]
                calls = np.array([call for repetition in repeated for call in repetition])
                rates = [size * len(repetition) / sum(repetition) for repetition in repeated]
                gops = median(rates) * work / len(lengths) / 1e9
                rows.append(
                    {
                        "variant": peer.variant,
                        "mixture": name,
                        "median_tokens": float(np.median(lengths)),
                        "batch": size,
                        "texts_per_s": rates,
                        "p50_ms": float(np.percentile(calls, 50) * 1e3),
                        "p99_ms": float(np.percentile(calls, 99) * 1e3),
                        "gops": gops,
                        "accuracy": float(np.mean([a == b for a, b in zip(said[peer.variant], truth, strict=True)])),
                        "same_as_fp32": _agreement(said, peer.variant),
                        "ready_s": peer.ready_s,
                        "memory_mb": peer.memory_mb,
                        **_circumstances(options),
                    }
                )
    # Whatever else the machine does only lowers what is measured: the best of all rounds is the limit.
    peak = Peak(max(peak.fp32 for peak in peaks), max(peak.int8 for peak in peaks))
    return [row | {"peak": asdict(peak)} for row in rows]


def _agreement(said: Mapping[str, Sequence[str]], variant: str) -> float | None:
    """How often a variant of ours gives the label that it gives in float32."""
    if not variant.startswith("fewfit") or _REFERENCE not in said:
        return None
    return float(np.mean([a == b for a, b in zip(said[variant], said[_REFERENCE], strict=True)]))


def _interleaved(
    peers: Sequence[Answering], texts: Sequence[str], size: int, repetitions: int
) -> dict[str, list[list[float]]]:
    """Seconds of each call, by peer and repetition; peers take turns, so that all meet the same disturbances."""
    calls = _CALLS.get(size, max(1, 200 // size))
    cycled = [texts[number % len(texts)] for number in range(size * calls)]
    batches = [cycled[start : start + size] for start in range(0, len(cycled), size)]
    seconds: dict[str, list[list[float]]] = {peer.variant: [] for peer in peers}
    for repetition in range(repetitions):
        turn = repetition % len(peers)
        for peer in [*peers[turn:], *peers[:turn]]:
            seconds[peer.variant].append(peer.answer(batches)[0])
    return seconds


def _circumstances(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "base": options.base,
        "task": options.task,
        "threads": options.threads,
        "machine": asdict(this_machine()),
        "load": load_average(),
        "revision": revision(_ROOT),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.with_suffix(".md").write_text("\n".join(report(rows)) + "\n", encoding="utf-8")
    print("\n".join(report(rows)))


def report(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The table of one run, in Markdown."""
    first = rows[0]
    peak = Peak(**first["peak"])
    machine = first["machine"]
    head = [
        "variant",
        "texts",
        "batch",
        "texts/s: median (range)",
        "p50 ms",
        "p99 ms",
        "of peak",
        "accuracy",
        "as in fp32",
        "MB",
        "ready s",
    ]
    lines = [
        (
            f"Base {first['base']}, {first['threads']} threads of {machine['cpu']} ({', '.join(machine['flags'])}), "
            f"load {first['load']}; matrix products: {peak.fp32:,.0f} billion operations a second in float32, "
            f"{peak.int8:,.0f} in int8. Accuracy on {first['task']}; the peers' base is frozen."
        ),
        "",
    ]
    return lines + table(
        head,
        [
            [
                row["variant"],
                f"{row['mixture']} ({row['median_tokens']:.0f} tokens)",
                str(row["batch"]),
                summary(row["texts_per_s"]),
                f"{row['p50_ms']:.1f}",
                f"{row['p99_ms']:.1f}",
                f"{100 * row['gops'] / (peak.int8 if row['variant'] in _INT8 else peak.fp32):.0f} %",
                f"{100 * row['accuracy']:.1f}",
                "–" if row["same_as_fp32"] is None else f"{100 * row['same_as_fp32']:.1f}",
                f"{row['memory_mb']:,.0f}",
                f"{row['ready_s']:.1f}",
            ]
            for row in sorted(rows, key=lambda row: (row["mixture"], row["batch"], -median(row["texts_per_s"])))
        ],
        n_text_columns=2,
    )


def _parser() -> argparse.ArgumentParser:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser = argparse.ArgumentParser(prog="speed.py", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="FOLDER", help="folder of evaluation tasks")
    add("--task", default="trec", help="single-label task to train on and to take accuracy from; default: %(default)s")
    add(
        "--mixtures", default="trec,ag_news,movie_genres", help="tasks whose texts are classified; default: %(default)s"
    )
    add("--base", default="english-small", help="a name or folder; default: %(default)s")
    add("--size", default="8", help="examples a label that the model is trained on; default: %(default)s")
    add("--variants", type=some_of(REQUIREMENTS), default=",".join(REQUIREMENTS), help="default: %(default)s")
    add("--sizes", type=counts, default="1,8,96,1000", help="texts a call; default: %(default)s")
    add("--repetitions", type=int, default=5)
    add("--test-rows", type=int, default=500, help="rows that accuracy is taken from; default: %(default)s")
    add("--threads", type=int, default=cores, help="threads of every variant; default: all cores (%(default)s)")
    add("--out", type=Path, default=RESULTS, help="JSON lines to append to; default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
