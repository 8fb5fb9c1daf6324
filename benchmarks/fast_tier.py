"""Measures what a fast tier brings and costs: how many texts it answers, how many answers change, texts a second.

Run as `python benchmarks/fast_tier.py --data FOLDER`; see benchmarks/README.md.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

_ROOT = Path(__file__).resolve().parents[1]
if str(_ROOT) not in sys.path:  # run as a file, Python looks in benchmarks/ only
    sys.path.insert(0, str(_ROOT))

import numpy as np  # noqa: E402

from benchmarks.harness.errors import told  # noqa: E402
from benchmarks.harness.machine import load_average, revision, this_machine  # noqa: E402
from benchmarks.harness.markdown import table  # noqa: E402
from benchmarks.harness.options import shares  # noqa: E402
from benchmarks.harness.tasks import EvaluationData, Trial  # noqa: E402
from fewfit import Classifier  # noqa: E402
from fewfit.serving import Engine, EngineSettings  # noqa: E402

if TYPE_CHECKING:
    from fewfit.serving.requests import Speed

RESULTS = _ROOT / "benchmarks" / "results" / "fast_tier.jsonl"
TASKS = "ag_news,amazon_counterfactual_en,customer_reviews,rotten_tomatoes,sms_spam,trec,tweet_emotion,tweet_irony"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is 0, or 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    return told("fast_tier.py", lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    data = EvaluationData(options.data)
    trials = data.trials(options.tasks.split(","))
    rows = [row for trial in trials for row in measure(options, data, trial)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    lines = report(rows)
    options.out.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 0


def measure(options: argparse.Namespace, data: EvaluationData, trial: Trial) -> list[dict[str, Any]]:
    """One row for each promise: a model trained once, distilled for each, asked about all test rows."""
    classifier = _trained(options, data, trial)
    known = {row.text for row in data.sample(trial, options.size, options.seed)}
    pool = [row.text for row in data.sample(trial, "all", 0) if row.text not in known][: options.unlabelled]
    tests = data.tests(trial)[trial.test[0]]
    rows = []
    for promise in options.promises:
        started_s = time.perf_counter()
        made = classifier.distil(pool, max_disagreement=promise)
        distil_s = time.perf_counter() - started_s
        row = {
            "task": trial.name,
            "base": options.base,
            "size": options.size,
            "seed": options.seed,
            "promise": promise,
            "report": made.to_dict(),
            "distil_s": distil_s,
            "n_tests": len(tests),
            **_answers(options, classifier, [test.text for test in tests], [test.labels for test in tests]),
            "machine": asdict(this_machine()),
            "load": load_average(),
            "revision": revision(_ROOT),
        }
        rows.append(row)
        print("\n".join(report([row])[-1:]), file=sys.stderr)
    return rows


def _answers(
    options: argparse.Namespace, classifier: Classifier, texts: list[str], truth: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Accuracy, changed answers and rates with and without the tier; both take turns."""
    folder = _ROOT / "benchmarks" / ".cache" / "fast_tier" / "now"
    classifier.save(folder)
    rates: dict[str, list[float]] = {"full": [], "fast": []}
    speeds: tuple[Speed, ...] = ("full", "fast")
    with Engine(EngineSettings(workers=options.threads)) as engine:
        engine.load("model", folder)
        for _ in range(options.repetitions):
            for speed in speeds:
                started_s = time.perf_counter()
                engine.answer("model", texts, speed=speed)
                rates[speed].append(len(texts) / (time.perf_counter() - started_s))
        full, fast = (engine.answer("model", texts, speed=speed) for speed in speeds)
    labels = full.decision.labels
    wanted = np.array([[label in given for label in labels] for given in truth])
    said, quick = full.decision.matrix(full.confidences), fast.decision.matrix(fast.confidences)
    return {
        "accuracy": float((said == wanted).all(axis=1).mean()),
        "fast_accuracy": float((quick == wanted).all(axis=1).mean()),
        "changed": float((said != quick).any(axis=1).mean()),
        "answered": len(fast.fast) / len(texts),
        "texts_per_s": rates["full"],
        "fast_texts_per_s": rates["fast"],
        "threads": options.threads,
    }


def _trained(options: argparse.Namespace, data: EvaluationData, trial: Trial) -> Classifier:
    """The model of a task, trained once and kept."""
    name = f"{trial.name.replace(':', '-')}-{options.base}-{options.size}-{options.seed}"
    folder = _ROOT / "benchmarks" / ".cache" / "fast_tier" / name
    if (folder / "model.json").is_file():
        return Classifier.load(folder)
    sample = data.sample(trial, options.size, options.seed)
    labels: list[Any] = [row.labels[0] if trial.task.kind == "single" else list(row.labels) for row in sample]
    classifier = Classifier(base=options.base, effort=options.effort, seed=options.seed)
    classifier.fit([row.text for row in sample], labels)
    classifier.save(folder)
    return classifier


def report(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The table of one run, in Markdown."""
    first = rows[0]
    head = ["task", "promise", "answered by the tier", "answers changed", "accuracy", "with the tier"]
    head += ["texts/s in full", "texts/s with the tier"]
    lines = [
        (
            f"Base {first['base']}, {first['size']} examples a label, {first['threads']} threads of "
            f"{first['machine']['cpu']}, load {first['load']}. On test rows, which the tier has not seen; the promise "
            "was made on unlabelled rows of the training pool."
        ),
        "",
    ]
    return lines + table(
        head,
        [
            [
                row["task"],
                f"{100 * row['promise']:g} %",
                f"{100 * row['answered']:.0f} %" if row["report"]["enabled"] else "off",
                f"{100 * row['changed']:.1f} %",
                f"{100 * row['accuracy']:.1f}",
                f"{100 * row['fast_accuracy']:.1f}",
                f"{median(row['texts_per_s']):,.0f}",
                f"{median(row['fast_texts_per_s']):,.0f}",
            ]
            for row in rows
        ],
        n_text_columns=2,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fast_tier.py", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="FOLDER", help="folder of evaluation tasks")
    add("--tasks", default=TASKS, help="default: %(default)s")
    add("--size", default="64", help="examples a label; default: %(default)s")
    add("--seed", type=int, default=0, help="which sample; default: %(default)s")
    add("--base", default="english-small", help="a name or folder; default: %(default)s")
    add("--effort", default="balanced", help="of training; default: %(default)s")
    add("--unlabelled", type=int, default=2000, help="most unlabelled texts; default: %(default)s")
    add(
        "--promises",
        type=shares,
        default="0.01,0.02,0.05",
        help="largest shares of changed answers; default: %(default)s",
    )
    add("--repetitions", type=int, default=3)
    add("--threads", type=int, default=2, help="workers of the engine; default: %(default)s")
    add("--out", type=Path, default=RESULTS, help="JSON lines to append to; default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
