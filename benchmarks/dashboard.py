"""How long a page of the dashboard takes over the data's own query, with many models and large datasets.

`python -m benchmarks.dashboard` makes a service with 200 models and 100 datasets of 5,000 rows in a temporary
folder, asks for each page as a signed-in person does, and times it beside the same calls of the service alone.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert, select
from starlette.testclient import TestClient

from fewfit.api.app import create_app
from fewfit.dashboard import create_dashboard
from fewfit.samples import load_sample
from fewfit.service import Service
from fewfit.service.dataset_versions import ROWS
from fewfit.service.datasets import dataset_owner
from fewfit.service.records import Caller
from fewfit.service.references import files_of, refer
from fewfit.service.tables import DatasetRow, DatasetVersionRow, ModelRow, VersionRow
from fewfit.service.worker import Worker
from fewfit.settings import Settings
from fewfit.testing import write_toy_base

WORDS = ("parcel", "invoice", "password", "refund", "courier", "card", "login", "late", "door", "price")


@dataclass(frozen=True)
class Timing:
    """Milliseconds of the page and of its query alone, medians of the repeats."""

    page: str
    page_ms: float
    query_ms: float

    @property
    def over_ms(self) -> float:
        return self.page_ms - self.query_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--datasets", type=int, default=100)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = write_toy_base(Path(folder) / "base", layers=1, hidden=16, heads=2)
        settings = Settings(data=Path(folder) / "data", default_base=str(base), effort="quick")
        with Service.open(settings) as service:
            dataset_id, model_id = fill(service, arguments.models, arguments.datasets, arguments.rows)
            timings = measure(service, settings, dataset_id, model_id, arguments.repeats)
    print(f"{arguments.models} models, {arguments.datasets} datasets of {arguments.rows:,} rows")
    print("| page | first response, ms | the query alone, ms | on top, ms |\n|---|---|---|---|")
    for one in timings:
        print(f"| {one.page} | {one.page_ms:.1f} | {one.query_ms:.1f} | {one.over_ms:.1f} |")


def fill(service: Service, n_models: int, n_datasets: int, n_rows: int) -> tuple[str, str]:
    """One dataset and one model made as people make them, the others as copies of their rows in the database."""
    caller = admin(service)
    texts, labels = load_sample("support", "train")
    rows = [
        {
            "text": f"{texts[number % len(texts)]} {WORDS[number % 10]} {WORDS[number // 10 % 10]} {number}",
            "label": labels[number % len(texts)],
        }
        for number in range(n_rows)
    ]
    dataset_id = upload(service, caller, rows)
    small_id = upload(service, caller, rows[:120])
    worker = Worker(service)
    while worker.work():
        pass
    model = service.models.create(caller, name="router", dataset_id=small_id)
    while worker.work():
        pass
    assert service.models.get(caller, model.id).status == "ready"
    with service.database.writing() as session:
        dataset = session.get_one(DatasetRow, dataset_id)
        version = session.get_one(DatasetVersionRow, (dataset_id, 1))
        files = files_of(session, dataset_owner(dataset))
        assert ROWS in files
        for number in range(n_datasets - 2):
            fresh = {"id": f"copy-{number:06d}", "name": f"copy {number}"}
            session.execute(insert(DatasetRow).values(**columns(dataset) | fresh))
            session.execute(insert(DatasetVersionRow).values(**columns(version) | {"dataset_id": fresh["id"]}))
            owner = dataset_owner(session.get_one(DatasetRow, fresh["id"]))
            for role, file in files.items():
                refer(session, owner, role, file)
        first = session.get_one(ModelRow, model.id)
        trained = session.scalars(select(VersionRow).where(VersionRow.model_id == model.id)).one()
        for number in range(n_models - 1):
            identity = f"00000000-0000-4000-8000-{number:012d}"
            session.execute(insert(ModelRow).values(**columns(first) | {"id": identity, "name": f"model {number}"}))
            session.execute(insert(VersionRow).values(**columns(trained) | {"model_id": identity}))
    return dataset_id, model.id


def measure(service: Service, settings: Settings, dataset_id: str, model_id: str, repeats: int) -> list[Timing]:
    """Each page beside what it asks of the service."""
    caller = admin(service)
    client = TestClient(create_app(service, settings, create_dashboard(service, settings)))
    secret = service.keys.create_for(caller.organization_id, name="benchmark", scopes=("admin",)).secret
    client.cookies.set("fewfit_session", service.sessions.start(secret))
    datasets, editing, models = service.datasets, service.editing, service.models
    pages: dict[str, tuple[str, Callable[[], object]]] = {
        "Home": ("/", lambda: (models.list(caller, page_size=8), datasets.list(caller, limit=8))),
        "Models": ("/models", lambda: models.list(caller, page_size=1000)),
        "Datasets": ("/datasets", lambda: (datasets.list(caller), datasets.usage_bytes(caller))),
        "Dataset": (
            f"/datasets/{dataset_id}",
            lambda: (
                datasets.get(caller, dataset_id),
                editing.versions(caller, dataset_id),
                datasets.report(caller, dataset_id),
                editing.rows(caller, dataset_id, limit=5),
            ),
        ),
        "Rows, searched": (
            f"/datasets/{dataset_id}/rows?q=parcel",
            lambda: editing.rows(caller, dataset_id, query="parcel"),
        ),
        "New model, settings": (f"/models/new/{dataset_id}/settings", lambda: datasets.get(caller, dataset_id)),
        "Training": (f"/models/{model_id}/training", lambda: models.get(caller, model_id)),
        "Model": (f"/models/{model_id}", lambda: (models.get(caller, model_id), models.report(caller, model_id))),
    }
    found = []
    for name, (path, query) in pages.items():
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        page_ms = median_ms(lambda path=path: client.get(path), repeats)  # type: ignore[misc]
        found.append(Timing(name, page_ms, median_ms(query, repeats)))
    return found


def median_ms(action: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def admin(service: Service) -> Caller:
    return Caller("default", "benchmark", frozenset({"admin"}), "benchmark")


def upload(service: Service, caller: Caller, rows: list[dict[str, str]]) -> str:
    receiving = service.datasets.upload(caller, "rows.jsonl")
    receiving.write("".join(json.dumps(row) + "\n" for row in rows).encode())
    stored = receiving.finish()
    kind = "single-label-classification-finetune-input"
    return service.datasets.create(caller, name="large", dataset_type=kind, data=stored).id


def columns(row: DatasetRow | DatasetVersionRow | ModelRow | VersionRow) -> dict[str, object]:
    """The values of a row, to be inserted again."""
    return {column.key: getattr(row, column.key) for column in type(row).__mapper__.column_attrs}


if __name__ == "__main__":
    main()
