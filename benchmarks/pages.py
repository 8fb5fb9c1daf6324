"""Measures how long the dashboard's pages take beyond the data's own queries, in a store of a realistic size.

Run as `python benchmarks/pages.py`; see benchmarks/README.md. The store is made in a temporary folder: 200 models and
100 datasets of 5,000 rows. Every page is asked for as a browser asks first, and the time inside the service's own
methods is taken apart from the time for everything around them: routing, session, view, template.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
if str(_ROOT) not in sys.path:  # run as a file, Python looks in benchmarks/ only
    sys.path.insert(0, str(_ROOT))

import numpy as np  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from benchmarks.harness.machine import load_average, revision, this_machine  # noqa: E402
from benchmarks.harness.markdown import table  # noqa: E402
from fewfit.api.app import create_app  # noqa: E402
from fewfit.dashboard import create_dashboard  # noqa: E402
from fewfit.service import Service  # noqa: E402
from fewfit.service.jobs.worker import Worker  # noqa: E402
from fewfit.service.models.model_rows import versions_of  # noqa: E402
from fewfit.service.records import Caller  # noqa: E402
from fewfit.service.store.references import Owner, copy_references  # noqa: E402
from fewfit.service.store.tables import Base, DatasetRow, DatasetVersionRow, ModelRow  # noqa: E402
from fewfit.settings import Settings  # noqa: E402
from fewfit.testing import write_toy_base  # noqa: E402
from fewfit.training import Targets, evaluate_answers  # noqa: E402

RESULTS = _ROOT / "benchmarks" / "results" / "pages.jsonl"
N_LABELS = 20
ADMIN = Caller("default", "benchmark", frozenset({"admin"}))
_TYPE = "single-label-classification-finetune-input"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    print("\n".join(report(rows)))
    return 0


def measure(folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each page: medians and the worst of `options.times` requests, in milliseconds."""
    settings = Settings(data=folder / "data", default_base=str(_toy_base(folder)))
    with Service.open(settings) as service:
        model_id, dataset_id = fill(service, options.models, options.datasets, options.rows)
        secret = service.keys.create(ADMIN, name="benchmark", scopes=["admin"]).secret
        clock = Clock()
        timed: Any = Timed(service, clock)
        app = create_app(timed, settings, create_dashboard(timed, settings))
        with TestClient(app) as client:
            client.cookies.set("fewfit_session", service.sessions.start(secret))
            return [_page(client, clock, path, options) for path in pages(model_id, dataset_id)]


def pages(model_id: str, dataset_id: str) -> list[str]:
    """The address of each page."""
    model = f"/models/{model_id}"
    tabs = ("", "/versions", "/compare?before=1&after=2", "/try", "/call", "/review")
    datasets = ("/datasets", f"/datasets/{dataset_id}", f"/datasets/{dataset_id}/rows")
    others = ("/", "/models", "/models/new", f"/models/new/{dataset_id}/settings", *datasets, "/playground")
    return [*others, *(model + tab for tab in tabs), "/review", "/usage?days=30", "/keys", "/account"]


@dataclass
class Clock:
    """How long the service itself took since `reset`; calls within calls count once."""

    spent_s: float = 0.0
    depth: int = 0

    def reset(self) -> None:
        self.spent_s = 0.0


@dataclass
class Timed:
    """A service, or a part of it, whose methods are timed."""

    inner: Any
    clock: Clock
    known: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inner, name)
        if callable(value):
            return self._timed(value)
        if type(value).__module__.startswith("fewfit.service.") and not name.startswith("_"):
            return self.known.setdefault(name, Timed(value, self.clock))
        return value

    def _timed(self, method: Any) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            start_s = time.perf_counter()
            self.clock.depth += 1
            try:
                return method(*given, **named)
            finally:
                self.clock.depth -= 1
                if not self.clock.depth:
                    self.clock.spent_s += time.perf_counter() - start_s

        return call


def _page(client: TestClient, clock: Clock, path: str, options: argparse.Namespace) -> dict[str, Any]:
    totals, own = [], []
    size = 0
    for place in range(options.times + 1):
        clock.reset()
        start_s = time.perf_counter()
        answer = client.get(path, headers={"Accept": "text/html"})
        total_s = time.perf_counter() - start_s
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text[:500]}")
        size = len(answer.content)
        if place:  # the first one compiles the template
            totals.append(1000 * total_s)
            own.append(1000 * (total_s - clock.spent_s))
    return {
        "page": path.replace(path.split("/")[2], "{id}") if path.count("/") > 1 and "new" not in path else path,
        "total_ms": statistics.median(totals),
        "beyond_ms": statistics.median(own),
        "worst_beyond_ms": max(own),
        "bytes": size,
        "models": options.models,
        "datasets": options.datasets,
        "rows": options.rows,
        "times": options.times,
        "load": load_average(),
        "machine": asdict(this_machine()),
        "revision": revision(_ROOT),
    }


def report(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The rows as Markdown."""
    first = rows[0]
    store = f"{first['models']} models, {first['datasets']} datasets of {first['rows']:,} rows"
    lines = [f"{store}, {first['times']} requests a page, revision {first['revision']}, load {first['load']}.", ""]
    cells = [
        [
            f"`{row['page']}`",
            f"{row['total_ms']:.0f}",
            f"{row['beyond_ms']:.0f}",
            f"{row['worst_beyond_ms']:.0f}",
            f"{row['bytes'] / 1024:.0f}",
        ]
        for row in rows
    ]
    head = ["page", "median, ms", "beyond the query, ms", "the worst of them, ms", "KiB"]
    return [*lines, *table(head, cells)]


# The store --------------------------------------------------------------------------------------


def fill(service: Service, n_models: int, n_datasets: int, n_rows: int) -> tuple[str, str]:
    """Fills a store: one dataset is uploaded and checked as always, the others are copies of its rows in the database.

    Models count as trained, with the report of a real evaluation of made-up answers. Gives the id of a model and of
    a dataset.
    """
    upload = service.datasets.upload(ADMIN, "data.jsonl")
    for line in _lines(n_rows):
        upload.write(line)
    dataset = service.datasets.create(ADMIN, name="tickets", dataset_type=_TYPE, data=upload.finish())
    Worker(service).work(("validate",))
    dataset = service.datasets.get(ADMIN, dataset.id)
    if dataset.status != "validated":
        raise RuntimeError(f"the dataset was not validated: {dataset.error}")
    model = service.models.create(ADMIN, name="router", dataset_id=dataset.id)
    service.models.retrain(ADMIN, model.id)
    found = _report()
    with service.database.writing() as session:
        service.jobs.cancel(session, model.id)
        row = session.get(ModelRow, model.id)
        assert row is not None
        row.promoted_version = 1
        for version in versions_of(session, model.id):
            version.status, version.labels, version.report = "ready", found["labels"], found
            version.metrics = {"accuracy": 0.8, "f1": 0.79, "precision": 0.8, "recall": 0.8, "cross_entropy": 0.6}
            version.base_metrics = {name: value - 0.1 for name, value in version.metrics.items()}
        session.flush()
        for number in range(1, n_models):
            copied = _copy(row, id=f"{number:08x}-0000-4000-8000-000000000000", name=f"router {number}")
            session.add(copied)
            session.flush()
            session.add_all(_copy(version, model_id=copied.id) for version in versions_of(session, model.id))
        original = session.get(DatasetRow, dataset.id)
        assert original is not None
        versions = session.query(DatasetVersionRow).filter(DatasetVersionRow.dataset_id == dataset.id).all()
        for number in range(1, n_datasets):
            other = _copy(original, id=f"tickets-{number:06d}", name=f"tickets {number}")
            session.add(other)
            session.flush()
            session.add_all(_copy(version, dataset_id=other.id) for version in versions)
            source, target = (Owner("dataset", one, ADMIN.organization_id) for one in (dataset.id, other.id))
            copy_references(session, source, target)
    for hour in range(24 * 7):
        service.usage.note(ADMIN.organization_id, model.id, 1 + hour % 96, 0.02)
    service.write_down()
    return model.id, dataset.id


def _copy(row: Base, **changes: Any) -> Any:
    values = {column.key: getattr(row, column.key) for column in row.__mapper__.column_attrs}
    return type(row)(**values | changes)


def _lines(count: int) -> Iterator[bytes]:
    rng = random.Random(0)
    words = [f"word{number}" for number in range(2000)]
    for number in range(count):
        label = number % N_LABELS
        text = " ".join([f"topic{label}", *rng.choices(words, k=20)])
        yield json.dumps({"text": text, "label": f"label {label}"}).encode() + b"\n"


def _report() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    n_texts = 1000
    truth = np.arange(n_texts) % N_LABELS
    matrix = np.eye(N_LABELS, dtype=bool)[truth]
    scores = rng.normal(size=(n_texts, N_LABELS)) + 3.0 * matrix
    confidences = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    given = np.eye(N_LABELS, dtype=bool)[confidences.argmax(axis=1)]
    names = tuple(f"label {number}" for number in range(N_LABELS))
    texts = [" ".join(["text", *map(str, range(40))]) for _ in range(n_texts)]
    found = evaluate_answers(Targets("single", names, matrix), confidences, given, texts).to_dict()
    found |= {"labels": list(names), "thresholds": None}
    result: dict[str, Any] = json.loads(json.dumps(found, default=float))
    return result


def _toy_base(folder: Path) -> Path:
    return write_toy_base(folder / "base", layers=1, hidden=16, heads=2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--datasets", type=int, default=100)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--times", type=int, default=20, help="requests of each page, after a first one")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
