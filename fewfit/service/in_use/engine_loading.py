"""Models in memory, answered by the engine: concurrent requests share batches, models of a base share a trunk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fewfit.artifact import read_artifact
from fewfit.decision import Decision
from fewfit.errors import QueueFullError
from fewfit.service.errors import BusyError
from fewfit.service.in_use.loading import CUTS, LoadedModel, TorchLoader
from fewfit.service.records import Speed, Truncate
from fewfit.serving import Engine, EngineSettings, ServedModel
from fewfit.serving.served import DEFAULT_OWN_TAILS, ModelLoader

_RETRY_AFTER_S = 1.0


class EngineLoader:
    """Computes with the engine; with torch what the engine cannot: untuned bases, models without an ONNX part."""

    def __init__(self, *, threads: int = 0, max_waiting_texts: int = 10_000) -> None:
        self._engine = Engine(EngineSettings(workers=threads or None, queue_limit_texts=max_waiting_texts))
        self._models = ModelLoader(own_tails=DEFAULT_OWN_TAILS)
        self._torch = TorchLoader(threads)

    def load(self, folder: Path, base: str) -> LoadedModel:
        """The model in an artifact's folder. Raises ArtifactError where it is not whole."""
        artifact = read_artifact(folder, examples=False)
        if artifact.portable is None:
            return self._torch.load(folder, base)
        return _EngineModel(self._engine, self._models.load(artifact), artifact.frozen)

    def embed(self, base: str, texts: Sequence[str], truncate: Truncate, *, windows: int = 1) -> np.ndarray:
        """Embeddings of the untuned base, (n_texts, hidden); longer texts in so many windows."""
        return self._torch.embed(base, texts, truncate, windows=windows)

    def check(self, base: str) -> None:
        """Embeds a text."""
        self._torch.check(base)

    def close(self) -> None:
        """Answers what waits, then ends."""
        self._engine.close()


class _EngineModel:
    def __init__(self, engine: Engine, served: ServedModel, frozen: Decision | None) -> None:
        self.frozen = frozen
        self._engine = engine
        self._served = served

    @property
    def decision(self) -> Decision:
        return self._served.decision

    @property
    def windows(self) -> int:
        return self._served.windows

    @property
    def has_fast_tier(self) -> bool:
        return self._served.fast is not None

    def embed(self, texts: Sequence[str], truncate: Truncate) -> np.ndarray:
        with _refusing():
            answers = self._engine.answer(self._served, texts, truncate=CUTS[truncate])
        answers.raise_for_errors()
        return answers.embeddings

    async def confidences_async(self, texts: Sequence[str], truncate: Truncate, speed: Speed = "full") -> np.ndarray:
        with _refusing():
            answers = await self._engine.answer_async(self._served, texts, truncate=CUTS[truncate], speed=speed)
        answers.raise_for_errors()
        return answers.confidences


@contextmanager
def _refusing() -> Iterator[None]:
    """A full queue is told with the time to wait; the engine's own message is for those who can set its limit."""
    try:
        yield
    except QueueFullError as error:
        raise BusyError(
            "Too many texts are waiting to be classified. Try again shortly, with fewer texts at once.",
            retry_after_s=_RETRY_AFTER_S,
        ) from error
