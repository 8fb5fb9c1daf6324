"""Results put in order for tables: by base, then trial and size, then method, then seed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.harness.methods import label
from benchmarks.harness.results import Result
from benchmarks.harness.tasks import ALL

REFERENCE = "fewfit"  # what others are compared with, where it was measured
_FIRST = ("fewfit", "setfit", "finetune", "frozen", "frozen-threshold", "tfidf")


@dataclass(frozen=True)
class Line:
    """A trial at a size, and by method the results by seed."""

    trial: str
    size: str
    kind: str
    results: dict[str, dict[int, Result]]

    @property
    def own_methods(self) -> list[str]:
        """The methods of this size, without those that stand beside it trained on all rows."""
        return [method for method in ordered(self.results) if not method.endswith(f"@{ALL}")]

    def values(self, method: str, metric: str, seeds: Iterable[int] | None = None) -> list[float]:
        """A metric of a method, a value a seed: a figure of the tests (mean over test languages) or `fit_s`.

        Empty where the method was not measured or the metric is not one of this task.
        """
        by_seed = self.results.get(method, {})
        chosen = by_seed.values() if seeds is None else [by_seed[seed] for seed in seeds]
        found = (value_of(result, metric) for result in chosen)
        return [value for value in found if value is not None]


@dataclass(frozen=True)
class Frame:
    """Everything measured with one base and one number of threads."""

    base: str
    threads: int
    lines: list[Line]

    @property
    def methods(self) -> list[str]:
        """Every method that occurs, ours first."""
        return ordered({method for line in self.lines for method in line.results})

    def of_kind(self, kind: str) -> "Frame":
        """The lines of single-label or of multilabel trials."""
        return Frame(self.base, self.threads, [line for line in self.lines if line.kind == kind])


def frames(rows: Sequence[Result]) -> Iterator[Frame]:
    """A frame for each base and number of threads; what needs no base is in all frames of its threads."""
    settings = {(row.base, row.base_digest, row.threads) for row in rows if row.base}
    settings |= {("", "", row.threads) for row in rows if row.threads not in {threads for *_, threads in settings}}
    for base, digest, threads in sorted(settings):
        mine = [row for row in rows if row.threads == threads and row.base_digest in ("", digest)]
        yield Frame(base, threads, _lines(mine))


def value_of(result: Result, metric: str) -> float | None:
    """A figure of one result: a field such as `fit_s`, or the mean of a metric over its test languages."""
    if metric in ("fit_s", "fit_cpu_s"):
        return float(getattr(result, metric))
    if metric == "texts_per_s":
        return sum(test["n"] for test in result.tests.values()) / sum(t["predict_s"] for t in result.tests.values())
    found = [test[metric] for test in result.tests.values() if metric in test]
    return sum(found) / len(found) if found else None


def method_of(result: Result) -> str:
    """The column of a result: its method with its settings; a cap on steps that was not reached is none."""
    settings = dict(result.settings)
    if "steps_by_default" in result.notes and result.notes["steps"] == result.notes["steps_by_default"]:
        settings.pop("max_steps", None)
    return label(result.method, settings)


def ordered(methods: Iterable[str]) -> list[str]:
    """Methods as tables have them: ours first, then the peers, variants after the plain ones."""
    rank = {name: number for number, name in enumerate(_FIRST)}

    def place(method: str) -> tuple[int, str]:
        return rank.get(method.partition(":")[0].partition("@")[0], len(rank)), method

    return sorted(methods, key=place)


def size_order(size: str) -> tuple[bool, int, str]:
    """Sorts 8, 16, 64, n40, 100, all as a reader expects."""
    digits = size.lstrip("n")
    return (size == ALL, int(digits) if digits.isdigit() else 0, size)


def _lines(rows: Sequence[Result]) -> list[Line]:
    places: dict[tuple[str, str], Line] = {}
    for row in rows:
        line = places.setdefault((row.trial, row.size), Line(row.trial, row.size, row.kind, {}))
        line.results.setdefault(method_of(row), {})[row.seed] = row
    # What was trained on all rows stands beside every size of its trial, as METHOD@all.
    on_all = {trial: line for (trial, size), line in places.items() if size == ALL}
    for (trial, size), line in places.items():
        if size != ALL and trial in on_all:
            for method, by_seed in on_all[trial].results.items():
                line.results[f"{method}@{ALL}"] = by_seed
    return sorted(places.values(), key=lambda line: (line.trial, size_order(line.size)))
