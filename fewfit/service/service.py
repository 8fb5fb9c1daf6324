"""The service as a whole, in one process: what HTTP routes, dashboard and command line hold."""

import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from fewfit.errors import FewfitError
from fewfit.service.access.keys import Keys
from fewfit.service.access.sign_in import Sessions
from fewfit.service.datasets.datasets import Datasets
from fewfit.service.datasets.editing import Editing
from fewfit.service.in_use.classifying import Classifying
from fewfit.service.in_use.correcting import Corrections
from fewfit.service.in_use.engine_loading import EngineLoader
from fewfit.service.in_use.loading import LoadedModel, ModelLoader
from fewfit.service.in_use.registry import Registry, clear_cache
from fewfit.service.in_use.reviewing import Reviewing, Sampler
from fewfit.service.in_use.tokenizing import Tokenizing
from fewfit.service.in_use.trying import Trying
from fewfit.service.in_use.usage import Usage
from fewfit.service.models.bases import Bases
from fewfit.service.models.comparing import Comparing
from fewfit.service.models.distilling import Distillations
from fewfit.service.models.downloading import Downloads
from fewfit.service.models.exporting import Exports
from fewfit.service.models.models import Models
from fewfit.service.models.thresholds import Thresholds
from fewfit.service.records import (
    Caller,
    Classification,
    Counts,
    Health,
    LabelledText,
    Speed,
    Tokens,
    Truncate,
)
from fewfit.service.store.database import Database
from fewfit.service.store.files import FileStore
from fewfit.service.store.queue import Jobs
from fewfit.service.store.references import clear_staging
from fewfit.service.store.tables import ServerState, WorkerRow, utc_now
from fewfit.settings import Settings

logger = logging.getLogger(__name__)

# A worker says that it lives every few seconds; after this long without a word it does not count.
WORKER_SILENCE: Final = timedelta(seconds=15)
_TIDIED_EVERY_S = 600.0


class Service:
    """Everything behind the API: `datasets`, `models`, `keys`, `jobs`, and classification.

    >>> from tempfile import mkdtemp
    >>> with Service.open(Settings(data=Path(mkdtemp()))) as service:
    ...     key = service.first_key()
    ...     caller = service.keys.authenticate(key)
    ...     service.datasets.list(caller)
    ()
    """

    def __init__(self, settings: Settings, database: Database, files: FileStore, loader: ModelLoader) -> None:
        self.settings = settings
        self.database = database
        self.files = files
        self.bases = Bases(settings)
        self.jobs = Jobs(
            database,
            lease_s=settings.lease_s,
            max_attempts=settings.max_attempts,
            max_queued=settings.max_queued_jobs,
        )
        self.keys = Keys(database, rate_limit_per_minute=settings.rate_limit_per_minute)
        self.sessions = Sessions(database, self.keys)
        self.datasets = Datasets(database, files, self.jobs, settings, _download_secret(database))
        self.editing = Editing(database, files, self.jobs)
        self.models = Models(database, files, self.jobs, self.bases, on_delete=self._forget)
        self._loader = loader
        self._not_ready = f"The base {self.bases.default_name} is being loaded."
        self._registry = Registry(
            database, files, loader, cache_folder(settings), max_models=settings.max_loaded_models
        )
        self.usage = Usage(database)
        self.review = Reviewing(database)
        self.corrections = Corrections(database, files, self.editing, self.models)
        self._sampler = Sampler(database)
        self._classifying = Classifying(
            self.models, self._registry, loader, self.bases, settings, self.usage, self._sampler
        )
        self.thresholds = Thresholds(database, files, self.models)
        self.comparing = Comparing(database, files)
        self.downloads = Downloads(database, files)
        self.distillations = Distillations(database, files, self.jobs)
        self.exports = Exports(database, files, self.jobs)
        self.trying = Trying(database, files, self.models, self._registry, loader, self.bases, settings)
        self._tokenizing = Tokenizing(self.models, self.bases)

    @classmethod
    def open(cls, settings: Settings, *, loader: ModelLoader | None = None) -> "Service":
        """Opens the store that the settings name, making or migrating it. Raises StoreError."""
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)  # texts, and hashes of keys: not for other users
        database = Database(settings.database_url, settings.data)
        try:
            database.migrate()
            files = FileStore(settings.files_url, settings.data, endpoint_url=settings.files_endpoint_url)
            return cls(settings, database, files, loader or _OnDemand(settings))
        except BaseException:
            database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of everything."""
        self._loader.close()
        self.usage.close()
        self._sampler.close()
        self.database.close()

    def first_key(self) -> str | None:
        """On the first start, the secret of a new admin key of the organisation "default"; later None."""
        return self.keys.first()

    def classify(
        self,
        caller: Caller,
        inputs: Sequence[str],
        *,
        model: str,
        truncate: Truncate = "END",
        thresholds: float | Mapping[str, float] | None = None,
    ) -> Classification:
        """Classifies with a fine-tuned model (scope classify). Raises NotFoundError, NotReadyError, InputError."""
        return self._classifying.classify(caller, inputs, model=model, truncate=truncate, thresholds=thresholds)

    async def classify_async(
        self,
        caller: Caller,
        inputs: Sequence[str],
        *,
        model: str,
        truncate: Truncate = "END",
        thresholds: float | Mapping[str, float] | None = None,
        speed: Speed = "full",
    ) -> Classification:
        """Like `classify`, for coroutines: requests wait for the engine without a thread each.

        With speed="fast" the model's fast tier answers what it is sure of; a model without one answers in full.
        """
        return await self._classifying.classify_async(
            caller, inputs, model=model, truncate=truncate, thresholds=thresholds, speed=speed
        )

    def classify_examples(
        self,
        caller: Caller,
        inputs: Sequence[str],
        examples: Sequence[LabelledText],
        *,
        base_name: str = "",
        truncate: Truncate = "END",
    ) -> Classification:
        """Classifies by the examples in the request, without training (scope classify)."""
        return self._classifying.classify_examples(caller, inputs, examples, base_name=base_name, truncate=truncate)

    def is_model(self, caller: Caller, model: str) -> bool:
        """Whether `model` names a fine-tuned model of the caller's organisation, ready or not."""
        return self.models.exists(caller.organization_id, model)

    def is_ready_at_once(self, caller: Caller, model: str) -> bool:
        """Whether `model` is known, without asking the store, to be a fine-tuned model that is ready."""
        return self.models.is_ready_at_once(caller.organization_id, model)

    def tokenize(self, caller: Caller, text: str, model: str) -> Tokens:
        """A text as a model or base reads it (any scope). Raises NotFoundError for an unknown model."""
        return self._tokenizing.tokenize(caller, text, model)

    def detokenize(self, caller: Caller, token_ids: Sequence[int], model: str) -> str:
        """The text of token ids (any scope). Raises NotFoundError, or InputError for ids out of range."""
        return self._tokenizing.detokenize(caller, token_ids, model)

    def warm_up(self) -> None:
        """Loads the default base, so that no request waits for it; `health` tells how that went.

        Raises BaseError where its weights cannot be had.
        """
        try:
            self._loader.check(self.bases.resolve(""))
        except FewfitError as error:
            self._not_ready = str(error)
            raise
        self._not_ready = ""

    def health(self) -> Health:
        """Checks database, files, worker and classification, for which `warm_up` must have been called."""
        checks = {
            "database": _problem(self.database.check),
            "files": _problem(self.files.check),
            "classification": self._not_ready or _problem(self.warm_up),
        }
        if not checks["database"]:
            checks["worker"] = "" if self._n_workers() else "No worker is alive; jobs wait. Start `fewfit worker`."
        return Health(checks)

    def counts(self) -> Counts:
        """Figures for monitoring."""
        return Counts(self.jobs.counts(), self._registry.n_loaded, self._n_workers())

    def write_down(self) -> None:
        """Writes what is kept in memory for some seconds: usage, texts for review."""
        self.usage.write()
        self._sampler.write()

    def tidy(self) -> None:
        """Deletes what this machine keeps and nobody needs: copies of deleted models, uploads that broke off."""
        clear_cache(self.database, cache_folder(self.settings))
        clear_staging(self.files, utc_now())

    def tidy_regularly(self, ending: threading.Event) -> None:
        """Tidies now and every ten minutes until `ending` is set: clean-up jobs run on any one of several machines."""
        while True:
            try:
                self.tidy()
            except (FewfitError, OSError) as error:
                logger.warning("This machine's copies could not be tidied up: %s", error)
            if ending.wait(_TIDIED_EVERY_S):
                return

    def _forget(self, model_id: str) -> None:
        self._classifying.forget(model_id)
        self.trying.forget(model_id)

    def _n_workers(self) -> int:
        alive = WorkerRow.seen_at > utc_now() - WORKER_SILENCE
        with self.database.reading() as session:
            return session.scalar(select(func.count()).select_from(WorkerRow).where(alive)) or 0


class _OnDemand:
    """The engine, started when something is to be classified: a worker never does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._started: EngineLoader | None = None
        self._lock = threading.Lock()

    def load(self, folder: Path, base: str) -> LoadedModel:
        return self._engine().load(folder, base)

    def embed(self, base: str, texts: Sequence[str], truncate: Truncate, *, windows: int = 1) -> np.ndarray:
        return self._engine().embed(base, texts, truncate, windows=windows)

    def check(self, base: str) -> None:
        self._engine().check(base)

    def close(self) -> None:
        with self._lock:
            if self._started is not None:
                self._started.close()

    def _engine(self) -> EngineLoader:
        with self._lock:
            if self._started is None:
                self._started = EngineLoader(
                    threads=self._settings.serving_threads, max_waiting_texts=self._settings.max_waiting_texts
                )
            return self._started


def cache_folder(settings: Settings) -> Path:
    """Where this machine keeps copies of the models that it serves."""
    return settings.data / "cache" / "models"


def _problem(check: Callable[[], None]) -> str:
    try:
        check()
    except FewfitError as error:
        logger.warning("Not ready: %s", error)
        return str(error)
    return ""


def _download_secret(database: Database) -> bytes:
    """What signs download links: made once, the same for every server on the database."""
    name = "download_secret"
    with database.reading() as session:
        row = session.get(ServerState, name)
    if row is None:
        try:
            with database.writing() as session:
                row = ServerState(name=name, value=secrets.token_hex(32))
                session.add(row)
        except IntegrityError:
            with database.reading() as session:
                row = session.get(ServerState, name)
    assert row is not None, "either found or made"
    return bytes.fromhex(row.value)
