"""A service with a worker at hand, and data for it: what most tests of the service begin with."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fewfit.service import Service
from fewfit.service.access.keys import DEFAULT_ORGANIZATION
from fewfit.service.jobs.worker import Worker
from fewfit.service.records import Caller, Dataset, DatasetOptions, Hyperparameters, Model, Scope, StoredFile
from fewfit.service.store.tables import ModelRow, VersionRow
from fewfit.settings import Settings

SINGLE = "single-label-classification-finetune-input"
MULTI = "multi-label-classification-finetune-input"

_WORDS = {
    "billing": ("invoice", "card", "charged", "refund"),
    "delivery": ("parcel", "courier", "late", "door"),
    "account": ("password", "login", "locked", "mail"),
}


def single_rows(per_label: int = 16) -> list[dict[str, Any]]:
    """Rows whose labels even a random encoder can tell apart."""
    return [
        {"text": f"{words[number % 4]} {words[(number + 1) % 4]} number {number}", "label": label}
        for number in range(per_label)
        for label, words in _WORDS.items()
    ]


def multi_rows(count: int = 48) -> list[dict[str, Any]]:
    """Rows with none to two labels."""
    names = list(_WORDS)
    rows = []
    for number in range(count):
        labels = [names[(number + step) % 3] for step in range(number % 3)]
        words = [_WORDS[label][number % 4] for label in labels] or ["hello"]
        rows.append({"text": f"{' and '.join(words)} number {number}", "label": labels})
    return rows


def unlabelled(count: int = 330) -> list[str]:
    """Different texts such as the models of this shop are asked."""
    words = [word for group in _WORDS.values() for word in group]
    return [f"{words[number % 12]} {words[(number // 12) % 12]} number {number}" for number in range(count)]


def jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as a JSONL file."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def a_caller(*scopes: Scope, organization_id: str = DEFAULT_ORGANIZATION) -> Caller:
    """Somebody with these scopes; an admin without any."""
    return Caller(organization_id, f"someone at {organization_id}", frozenset(scopes or ("admin",)), "key")


class Shop:
    """A service, a worker that works when it is told to, and an admin."""

    def __init__(self, settings: Settings) -> None:
        self.service = Service.open(settings)
        self.worker = Worker(self.service)
        self.admin = a_caller()

    def close(self) -> None:
        self.service.close()

    def work(self) -> None:
        """Does everything that is queued."""
        while self.worker.work():
            pass

    def upload(self, content: bytes, filename: str | None = "data.jsonl", caller: Caller | None = None) -> StoredFile:
        upload = self.service.datasets.upload(caller or self.admin, filename)
        for start in range(0, len(content), 1000):
            upload.write(content[start : start + 1000])
        return upload.finish()

    def dataset(
        self,
        content: bytes,
        *,
        kind: str = SINGLE,
        filename: str | None = "data.jsonl",
        eval_content: bytes | None = None,
        options: DatasetOptions | None = None,
        caller: Caller | None = None,
        name: str = "tickets",
        work: bool = True,
    ) -> Dataset:
        """A dataset, validated unless `work` is off."""
        caller = caller or self.admin
        dataset = self.service.datasets.create(
            caller,
            name=name,
            dataset_type=kind,
            data=self.upload(content, filename, caller),
            eval_data=None if eval_content is None else self.upload(eval_content, filename, caller),
            options=options,
        )
        if not work:
            return dataset
        self.work()
        return self.service.datasets.get(caller, dataset.id)

    def pretended_model(self, rows: list[dict[str, Any]] | None = None, *, kind: str = SINGLE) -> Model:
        """A model that counts as ready though nothing was trained: for what does not classify, in a blink."""
        dataset = self.dataset(jsonl(rows or single_rows()), kind=kind)
        model = self.service.models.create(self.admin, name="router", dataset_id=dataset.id)
        with self.service.database.writing() as session:
            self.service.jobs.cancel(session, model.id)
            version = session.get(VersionRow, (model.id, 1))
            assert version is not None
            version.status, version.labels = "ready", sorted(_WORDS)
            row = session.get(ModelRow, model.id)
            assert row is not None
            row.promoted_version = 1
        return self.service.models.get(self.admin, model.id)

    def model(
        self,
        content: bytes | None = None,
        *,
        kind: str = SINGLE,
        hyperparameters: Hyperparameters | None = None,
        work: bool = True,
        caller: Caller | None = None,
    ) -> Model:
        """A model, trained unless `work` is off."""
        caller = caller or self.admin
        dataset = self.dataset(content or jsonl(single_rows()), kind=kind, caller=caller)
        model = self.service.models.create(
            caller, name="router", dataset_id=dataset.id, hyperparameters=hyperparameters
        )
        if not work:
            return model
        self.work()
        return self.service.models.get(caller, model.id)


def settings_for(folder: Path, base: Path, **changes: Any) -> Settings:
    """Settings of a small and quick service."""
    values: dict[str, Any] = {"data": folder / "data", "default_base": str(base), "effort": "quick"}
    return Settings(**values | changes)
