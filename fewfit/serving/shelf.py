"""The models that an engine may answer with: loaded on demand, within a memory budget."""

import threading
from pathlib import Path

from fewfit.artifact import Artifact, read_artifact
from fewfit.errors import ModelNotLoadedError
from fewfit.serving.served import ModelLoader, ServedModel
from fewfit.serving.sessions import release_freed_memory


class _Place:
    """Where one model is: in memory, or in its folder only."""

    def __init__(self, source: Path | Artifact, pinned: bool) -> None:
        self.source = source
        self.pinned = pinned
        self.model: ServedModel | None = None
        self.loading = threading.Lock()
        self.last_used = 0


class Shelf:
    """Models by name. Safe for threads; loading one model never holds up another.

    `limit_bytes` bounds the tails in memory; the least recently used leave first, pinned ones never, and
    the one just asked for always fits. Trunks are shared and leave with their last model.
    """

    def __init__(self, limit_bytes: int | None = None, loader: ModelLoader | None = None) -> None:
        self.limit_bytes = limit_bytes
        self.evictions = 0
        self._loader = loader or ModelLoader()
        self._places: dict[str, _Place] = {}
        self._lock = threading.Lock()
        self._clock = 0

    def put(self, name: str, source: Path | Artifact, *, pinned: bool = False) -> ServedModel:
        """Loads a model and gives it a name. An older one of that name answers until this one is ready."""
        place = _Place(source, pinned)
        place.model = self._load(source)
        with self._lock:
            self._places[name] = place
        self._used(place)
        return place.model

    def register(self, name: str, folder: Path, *, pinned: bool = False) -> None:
        """Gives a model folder a name; it is loaded when it is first asked for."""
        with self._lock:
            self._places[name] = _Place(folder, pinned)

    def get(self, name: str) -> ServedModel:
        """The model of this name, loaded now if need be. Raises ModelNotLoadedError for unknown names."""
        with self._lock:
            place = self._places.get(name)
        if place is None:
            raise ModelNotLoadedError(f"There is no model {name!r}; there are: {', '.join(self.names()) or 'none'}.")
        model = place.model
        if model is None:
            with place.loading:
                model = place.model
                if model is None:
                    model = place.model = self._load(place.source)
        self._used(place)
        return model

    def drop(self, name: str) -> None:
        """Forgets a model; requests that are on their way are still answered."""
        with self._lock:
            if self._places.pop(name, None) is None:
                raise ModelNotLoadedError(f"There is no model {name!r} to drop.")

    def pin(self, name: str, pinned: bool = True) -> None:
        """Keeps a model in memory from its next use on, whatever the budget; or no longer."""
        with self._lock:
            if name not in self._places:
                raise ModelNotLoadedError(f"There is no model {name!r} to pin.")
            self._places[name].pinned = pinned

    def names(self) -> list[str]:
        """The names of all models, in memory or not."""
        with self._lock:
            return sorted(self._places)

    def is_loaded(self, name: str) -> bool:
        """Whether the model of this name is in memory, so that `get` takes no time."""
        with self._lock:
            place = self._places.get(name)
            return place is not None and place.model is not None

    def loaded(self) -> dict[str, int]:
        """How many bytes the tail of each model in memory has, by name."""
        with self._lock:
            return {name: place.model.size_bytes for name, place in self._places.items() if place.model}

    def _load(self, source: Path | Artifact) -> ServedModel:
        try:
            return self._loader.load(source if isinstance(source, Artifact) else read_artifact(source, examples=False))
        finally:
            release_freed_memory()  # once more: now what was read from the folder is let go, too

    def _used(self, place: _Place) -> None:
        with self._lock:
            self._clock += 1
            place.last_used = self._clock
            if self.limit_bytes is None:
                return
            loaded = [other for other in self._places.values() if other.model is not None]
            size = sum(other.model.size_bytes for other in loaded if other.model is not None)
            for other in sorted(loaded, key=lambda other: other.last_used):
                if size <= self.limit_bytes:
                    return
                if other is place or other.pinned or isinstance(other.source, Artifact) or other.model is None:
                    continue
                size -= other.model.size_bytes
                other.model = None
                self.evictions += 1
