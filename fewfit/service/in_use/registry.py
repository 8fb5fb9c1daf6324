"""Ready models in memory: loaded at their first request, the ones unused for longest dropped."""

import hashlib
import logging
import shutil
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from fewfit.artifact import MANIFEST_FILE
from fewfit.errors import ArtifactError, BaseNotFoundError
from fewfit.service.errors import NotFoundError
from fewfit.service.in_use.loading import LoadedModel, ModelLoader
from fewfit.service.models.models import ReadyVersion
from fewfit.service.records import StoredFile
from fewfit.service.store.database import Database
from fewfit.service.store.files import FileStore, outages_told
from fewfit.service.store.references import Owner, files_of
from fewfit.service.store.tables import ModelRow

logger = logging.getLogger(__name__)

Key = tuple[str, int]


@dataclass
class _Place:
    """A model that is loaded, or is being loaded by whoever holds the lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    model: LoadedModel | None = None


class Registry:
    """Models by version. Loading one holds up only the requests for that one."""

    def __init__(
        self, database: Database, files: FileStore, loader: ModelLoader, cache: Path, *, max_models: int
    ) -> None:
        self._database = database
        self._files = files
        self._loader = loader
        self._cache = cache
        self._max_models = max_models
        self._places: OrderedDict[Key, _Place] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, version: ReadyVersion) -> LoadedModel:
        """The model of a version. Raises ArtifactError or StoreError where it cannot be read."""
        key = (version.model_id, version.number)
        with self._lock:
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            self._drop_oldest()
        model = place.model
        if model is not None:
            return model
        with place.lock:
            if place.model is None:
                place.model = self._load(version)
            return place.model

    def at_once(self, version: ReadyVersion) -> LoadedModel | None:
        """The model of a version if it is in memory; `get` loads it."""
        key = (version.model_id, version.number)
        with self._lock:
            place = self._places.get(key)
            if place is None or place.model is None:
                return None
            self._places.move_to_end(key)
            return place.model

    def forget(self, model_id: str) -> None:
        """Lets go of every version of a model, in memory and in the cache folder."""
        with self._lock:
            keys = [key for key in self._places if key[0] == model_id]
            for key in keys:
                del self._places[key]
        for folder in self._cache.glob(f"{model_id}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def n_loaded(self) -> int:
        """How many models are in memory."""
        with self._lock:
            return sum(place.model is not None for place in self._places.values())

    def _drop_oldest(self) -> None:
        while len(self._places) > self._max_models:
            key, _ = self._places.popitem(last=False)
            logger.info("Model %s version %d leaves memory", *key)

    def _load(self, version: ReadyVersion) -> LoadedModel:
        owner = Owner("version", f"{version.model_id}:{version.number}", version.organization_id)
        with self._database.reading() as session:
            files = files_of(session, owner)
        if not files:
            raise NotFoundError(f"There is no model {version.model_id!r}.")
        folder = self._cache / f"{version.model_id}-{version.number}"
        try:
            return self._load_copy(version, files, folder)
        except (ArtifactError, BaseNotFoundError, FileNotFoundError):
            if folder.is_dir():
                raise
            return self._load_copy(version, files, folder)  # somebody has tidied up meanwhile

    def _load_copy(self, version: ReadyVersion, files: Mapping[str, StoredFile], folder: Path) -> LoadedModel:
        if folder.is_dir():
            try:
                if _is_copy(folder, files):
                    return self._loader.load(folder, version.base)
                logger.warning("The cached copy of a model is another version's and is fetched again")
            except ArtifactError as error:
                logger.warning("The cached copy of a model is not whole and is fetched again: %s", error)
            shutil.rmtree(folder, ignore_errors=True)
        self._bring(files, folder)
        return self._loader.load(folder, version.base)

    def _bring(self, files: Mapping[str, StoredFile], folder: Path) -> None:
        """Puts the artifact's files into a folder of this machine, which appears when it is whole."""
        unfinished = self._files.new_folder()
        try:
            with outages_told():
                for name, file in files.items():
                    target = unfinished / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    self._files.copy_to(file.sha256, target)
                self._cache.mkdir(parents=True, exist_ok=True)
                try:
                    unfinished.rename(folder)
                except OSError:
                    # Another process was faster; its folder is as good.
                    if not folder.is_dir():
                        raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _is_copy(folder: Path, files: Mapping[str, StoredFile]) -> bool:
    """Whether a folder was made of these files, whose hashes the manifest has: numbers come again after a restore."""
    manifest = folder / MANIFEST_FILE
    return manifest.is_file() and hashlib.sha256(manifest.read_bytes()).hexdigest() == files[MANIFEST_FILE].sha256


def clear_cache(database: Database, cache: Path) -> None:
    """Deletes copies of models that were deleted, here or by another server, and of versions that do not answer."""
    folders = list(cache.glob("*-*"))
    ids = {folder.name.rpartition("-")[0] for folder in folders}
    statement = select(ModelRow.id, ModelRow.promoted_version, ModelRow.previous_version).where(ModelRow.id.in_(ids))
    with database.reading() as session:
        kept = {f"{row.id}-{number}" for row in session.execute(statement) for number in row[1:]}
    for folder in folders:
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)
