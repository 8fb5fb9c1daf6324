"""Measures accuracy, confidences and time of fewfit beside SetFit and the classical methods.

Run as `python benchmarks/accuracy.py --data FOLDER`; see benchmarks/README.md.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
if str(_ROOT) not in sys.path:  # run as a file, Python looks in benchmarks/ only
    sys.path.insert(0, str(_ROOT))

from benchmarks.harness.errors import UsageError, told  # noqa: E402
from benchmarks.harness.methods import parse_methods  # noqa: E402
from benchmarks.harness.plan import Base, Plan, plan  # noqa: E402
from benchmarks.harness.results import Results  # noqa: E402
from benchmarks.harness.runner import Runner  # noqa: E402
from benchmarks.harness.table import write_table  # noqa: E402
from benchmarks.harness.tasks import EvaluationData  # noqa: E402
from fewfit.encoders.config import read_config  # noqa: E402
from fewfit.encoders.weights import locate  # noqa: E402

RESULTS = _ROOT / "benchmarks" / "results" / "accuracy.jsonl"
# The first table: short, and one task of each sort.
DEFAULT_TASKS = "rotten_tomatoes,customer_reviews,trec,ag_news,tweet_emotion,nlupp_banking"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is 0, 1 where a measurement failed, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        return told("accuracy.py", lambda: _run(options))
    except KeyboardInterrupt:
        print("\nStopped. What was measured is kept; the same command goes on from here.", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    results = Results(options.out)
    table = options.table or options.out.with_suffix(".md")
    if options.table_only:
        if not results.rows:
            raise UsageError(f"There are no results in {options.out} to make a table of.")
        write_table(results.latest(), table)
        return 0
    if options.data is None:
        raise UsageError("--data FOLDER is needed: the folder of evaluation tasks (see benchmarks/README.md).")
    data = EvaluationData(options.data)
    wanted = _planned(options, data)
    for line in wanted.left_out:
        print(f"Left out: {line}", file=sys.stderr)
    steps = [step for step in wanted.steps if options.again or not results.has(step.key, any_code=options.any_version)]
    print(f"{len(wanted.steps)} measurements, {len(wanted.steps) - len(steps)} of them there.", file=sys.stderr)
    if options.dry_run:
        print("\n".join(map(str, steps)))
        return 0
    runner = Runner(data, results, limit_s=options.limit_s)
    try:
        failures = runner.run(steps)
    finally:
        runner.close()
        if results.rows:
            write_table(results.latest(), table)
    print(f"Raw rows: {options.out}\nTable: {table}", file=sys.stderr)
    if failures:
        print(f"{len(failures)} measurements failed:\n  " + "\n  ".join(failures), file=sys.stderr)
    return 1 if failures else 0


def _planned(options: argparse.Namespace, data: EvaluationData) -> Plan:
    return plan(
        data,
        trials=data.trials(options.tasks.split(",")),
        sizes=options.sizes.split(","),
        seeds=_seeds(options.seeds),
        methods=parse_methods(options.methods.split(","), setfit_max_steps=options.setfit_max_steps),
        bases=[_base(name) for name in options.base.split(",")],
        threads=options.threads,
    )


def _base(name: str) -> Base:
    weights = locate(name)
    return Base(weights.name, weights.folder, weights.digest, read_config(weights).prefix)


def _seeds(text: str) -> list[int]:
    try:
        spans = [part.split("-") for part in text.split(",")]
        seeds = [seed for span in spans for seed in range(int(span[0]), int(span[-1]) + 1)]
    except ValueError:
        raise UsageError(f"--seeds {text!r} is not understood; expected numbers and spans, as in 0-4 or 0,3.") from None
    if not seeds:
        raise UsageError(f"--seeds {text!r} names no seed; a span goes from low to high, as in 0-4.")
    return seeds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="accuracy.py", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, metavar="FOLDER", help="folder of evaluation tasks (tasks.json, fewshot.json, ...)")
    add("--tasks", "--task", default=DEFAULT_TASKS, help="tasks, TASK:LANG, TASK:TRAIN:TEST (en:all), or a group: all, english, single, multi, ordinal; default: %(default)s")  # fmt: skip  # noqa: E501
    add("--sizes", "--size", default="8,n40,100", help="8,16,32,64 a label; n40,n100,n250,n1000 rows; 40,100,250 rows (multilabel); all; default: %(default)s; a task without a size is left out for it")  # fmt: skip  # noqa: E501
    add("--seeds", default="0-4", help="samples, as in 0-4 or 0,3; default: %(default)s")
    add("--base", default="english-small", help="names or folders, with commas; default: %(default)s")
    add("--methods", default="fewfit,setfit,frozen,frozen-threshold,tfidf,tfidf@all", help="NAME[:key=value][@size]; names: fewfit, setfit, finetune, frozen, frozen-threshold (multilabel), label-names (single-label), tfidf; default: %(default)s")  # fmt: skip  # noqa: E501
    add("--setfit-max-steps", type=int, metavar="N", help="end SetFit's training after N steps; kept in the rows and shown in the table")  # fmt: skip  # noqa: E501
    add("--threads", type=int, default=_cores(), help="threads of every method; default: all cores (%(default)s)")
    add("--limit-s", type=float, metavar="S", help="end a measurement that takes longer, and go on")
    add("--out", type=Path, default=RESULTS, help="JSON lines to go on with; default: %(default)s")
    add("--table", type=Path, help="Markdown table to write; default: beside --out")
    add("--again", action="store_true", help="measure again what is there")
    add("--any-version", action="store_true", help="do not measure again because a method's code has changed")
    add("--table-only", action="store_true", help="measure nothing, write the table of what is there")
    add("--dry-run", action="store_true", help="print what would be measured")
    return parser


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its workers end with it, as with Ctrl-C
    sys.exit(main())
