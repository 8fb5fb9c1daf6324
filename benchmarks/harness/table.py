"""The Markdown tables of what was measured."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median

from benchmarks.harness.frame import REFERENCE, Frame, Line, frames, size_order
from benchmarks.harness.markdown import table
from benchmarks.harness.metrics import METRICS, Metric
from benchmarks.harness.results import Result

_HEADLINE = {"single": METRICS["accuracy"], "multi": METRICS["macro_f1"]}
_KINDS = {"single": "single-label", "multi": "multilabel"}
_CONFIDENCES = ("log_loss", "brier", "ece")
_COMPARED = {
    "single": ("accuracy", "macro_f1", "mae", *_CONFIDENCES),
    "multi": ("macro_f1", "micro_f1", "subset_accuracy", "hamming_score", "empty_where_due", *_CONFIDENCES),
}
_ABOUT = (
    "Written by `benchmarks/accuracy.py` from the raw rows in the `.jsonl` file beside it; `benchmarks/README.md` "
    "says how each figure is made. A cell is the mean ± the standard deviation over samples (seeds); n is the "
    "number of samples, in brackets behind a cell where it is another one. On each line all methods had the same "
    "training rows and the same test rows; `@all` marks a method trained on all rows of the task instead, "
    "`max_steps` a SetFit that was stopped early."
)


def write_table(rows: Sequence[Result], path: Path) -> None:
    """Writes the tables of all rows to a Markdown file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(render(rows), encoding="utf-8")
    draft.replace(path)


def render(rows: Sequence[Result]) -> str:
    """The tables as Markdown; for each base: the headline figure a task, means, transfer, every figure, time."""
    lines = ["# Accuracy", "", _ABOUT, "", *_machines(rows)]
    for frame in frames(rows):
        threads = "1 thread" if frame.threads == 1 else f"{frame.threads} threads"
        lines += [f"## {frame.base or 'Without a base'}, {threads}", ""]
        for kind, metric in _HEADLINE.items():
            part = frame.of_kind(kind)
            if part.lines:
                lines += [
                    f"### {metric.title[0].upper()}{metric.title[1:]}, {_KINDS[kind]}",
                    "",
                    *_by_task(part, metric),
                ]
                lines += _means(part, kind) + _languages(part, metric) + _languages(part, METRICS["mae"])
                lines += _details(part, kind)
        lines += ["### Time", "", *_time(frame)]
    return "\n".join(lines).rstrip() + "\n"


def _by_task(frame: Frame, metric: Metric) -> list[str]:
    methods = frame.methods
    rows = []
    for line in frame.lines:
        n = _usual_n(line)
        cells = [metric.cell(line.values(method, metric.name), n) for method in methods]
        rows.append([line.trial, line.size, str(n), *cells])
    return table(["task", "size", "n", *methods], rows, n_text_columns=1)


def _means(frame: Frame, kind: str) -> list[str]:
    """Each method beside the reference, on the tasks and samples that both have."""
    methods = frame.methods
    if REFERENCE not in methods:
        return []
    rows = []
    for size in sorted({line.size for line in frame.lines}, key=size_order):
        for name in _COMPARED[kind]:
            for method in methods:
                pairs = _pairs([line for line in frame.lines if line.size == size], method, name)
                if method == REFERENCE or not pairs:
                    continue
                metric = METRICS[name]
                theirs, ours = mean(their for their, _ in pairs), mean(our for _, our in pairs)
                better = sum(our > their if metric.higher_is_better else our < their for their, our in pairs)
                figures = [metric.cell([ours]), metric.cell([theirs]), metric.cell([ours - theirs], sign=True)]
                rows.append([size, metric.title, method, *figures, f"{better} of {len(pairs)}"])
    head = ["size", "figure", "other method", REFERENCE, "other", "difference", f"{REFERENCE} better on"]
    intro = f"Mean over tasks, {_KINDS[kind]}, {REFERENCE} beside each other method on the tasks and samples both have:"
    return [intro, "", *table(head, rows, n_text_columns=3)] if rows else []


def _pairs(lines: Sequence[Line], method: str, metric: str) -> list[tuple[float, float]]:
    """A task each: the means of the method and of the reference over the samples that both have."""
    pairs = []
    for line in lines:
        ours, theirs = line.results.get(REFERENCE, {}), line.results.get(method, {})
        fixed = method.endswith("@all")  # one training set, whatever the sample
        shared = sorted(ours.keys() if fixed and theirs else ours.keys() & theirs.keys())
        mine = line.values(REFERENCE, metric, shared)
        other = line.values(method, metric, None if fixed else shared)
        if mine and other:
            pairs.append((mean(other), mean(mine)))
    return pairs


def _languages(frame: Frame, metric: Metric) -> list[str]:
    """By test language, where a model was tested in several: the gap to the language it was trained on."""
    rows = []
    for line in frame.lines:
        for method in line.own_methods:
            results = list(line.results[method].values())
            if len(results[0].test) == 1 or not line.values(method, metric.name):
                continue
            home = [language for language in results[0].train if language in results[0].test]
            away = [language for language in results[0].test if language not in results[0].train]
            by_language = {x: mean(r.tests[x][metric.name] for r in results) for x in results[0].test}
            at_home = mean(by_language[x] for x in home) if home else None
            abroad = mean(by_language[x] for x in away) if away else None
            rows.append([
                line.trial, line.size, method, str(len(results)), "+".join(results[0].train),
                metric.cell([] if at_home is None else [at_home]),
                metric.cell([] if abroad is None else [abroad]),
                metric.cell([] if at_home is None or abroad is None else [abroad - at_home], sign=True),
                ", ".join(f"{x} {metric.cell([value])}" for x, value in by_language.items()),
            ])  # fmt: skip
    head = ["task", "size", "method", "n", "trained on", "there", "elsewhere", "gap", "by test language"]
    title = f"{metric.title[0].upper()}{metric.title[1:]} by language of the test rows:"
    return [title, "", *table(head, rows, n_text_columns=3)] if rows else []


def _details(frame: Frame, kind: str) -> list[str]:
    metrics = [METRICS[name] for name in _COMPARED[kind]]
    metrics += [METRICS["empty_share"]] if kind == "multi" else []
    rows = []
    for line in frame.lines:
        for method in line.own_methods:
            n = len(line.results[method])
            cells = [metric.cell(line.values(method, metric.name), n) for metric in metrics]
            rows.append([line.trial, line.size, method, str(n), *cells])
    used = [column for column in range(4, 4 + len(metrics)) if any(row[column] != "–" for row in rows)]
    chosen = [[*row[:4], *(row[column] for column in used)] for row in rows]
    head = ["task", "size", "method", "n", *(metrics[column - 4].title for column in used)]
    return ["Every figure:", "", *table(head, chosen, n_text_columns=3)]


def _time(frame: Frame) -> list[str]:
    rows = []
    for line in frame.lines:
        for method in line.own_methods:
            results = list(line.results[method].values())
            steps = {result.notes["steps"] for result in results if result.notes.get("steps") is not None}
            rows.append([
                line.trial, line.size, method, str(len(results)), str(results[0].n_train),
                "–" if not steps else str(round(median(steps))),
                f"{median(line.values(method, 'fit_s')):.1f}",
                f"{median(line.values(method, 'fit_cpu_s')):.1f}",
                f"{median(line.values(method, 'texts_per_s')):.0f}",
                f"{min(r.load for r in results):.1f}–{max(r.load for r in results):.1f}",
            ])  # fmt: skip
    head = ["task", "size", "method", "n", "rows", "steps", "fit s", "fit CPU s", "texts/s", "load before"]
    intro = (
        "Medians over samples: seconds from texts and labels to a model that is ready (imports are not counted, "
        "loading the base only for fewfit), the same in CPU seconds over all threads, and test texts answered a "
        "second. The load average says how busy the machine was: where it is above the number of cores, times "
        "tell little and CPU seconds more."
    )
    return [intro, "", *table(head, rows, n_text_columns=3)]


def _usual_n(line: Line) -> int:
    return max(len(line.results[method]) for method in line.own_methods)


def _machines(rows: Sequence[Result]) -> list[str]:
    if not rows:
        return ["Nothing has been measured yet.", ""]
    found: dict[str, list[str]] = {}
    for row in rows:
        machine = row.machine
        text = (
            f"{machine['cpu']}, {machine['cores']} cores ({', '.join(machine['flags'])}), {machine['memory_gib']} GiB"
        )
        found.setdefault(text, []).append(row.at[:10])
    libraries: dict[str, set[str]] = {}
    for row in rows:
        for name, version in row.versions.items():
            libraries.setdefault(name, set()).add(version)
    versions = ", ".join(f"{name} {'/'.join(sorted(seen))}" for name, seen in sorted(libraries.items()))
    machines = [f"- {text}: {len(days)} rows, {min(days)} to {max(days)}" for text, days in found.items()]
    return ["Machines:", "", *machines, "", f"Versions: {versions}.", ""]
