"""Models in memory, answered by the engine: concurrent requests share batches, models of a base share a trunk."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fewfit.artifact import read_artifact
from fewfit.data import clean_text
from fewfit.decision import Decision
from fewfit.encoders.batching import length_batches
from fewfit.errors import InputError, QueueFullError
from fewfit.service.errors import BusyError
from fewfit.service.loading import LoadedModel, TorchLoader
from fewfit.service.records import Truncate
from fewfit.serving import Engine, EngineSettings, ServedModel
from fewfit.serving.served import DIRECT_BATCH_TOKENS, ModelLoader

_RETRY_AFTER_S = 1.0


class EngineLoader:
    """Computes with the engine; with torch what the engine cannot: untuned bases, models without an ONNX part."""

    def __init__(self, *, threads: int = 0, max_waiting_texts: int = 10_000) -> None:
        self._engine = Engine(EngineSettings(workers=threads or None, queue_limit_texts=max_waiting_texts))
        self._models = ModelLoader()
        self._torch = TorchLoader(threads)

    def load(self, folder: Path, base: str) -> LoadedModel:
        """The model in an artifact's folder. Raises ArtifactError where it is not whole."""
        artifact = read_artifact(folder)
        if artifact.portable is None:
            return self._torch.load(folder, base)
        return _EngineModel(self._engine, self._models.load(artifact))

    def embed(self, base: str, texts: Sequence[str], truncate: Truncate) -> np.ndarray:
        """Embeddings of the untuned base, (n_texts, hidden)."""
        return self._torch.embed(base, texts, truncate)

    def check(self, base: str) -> None:
        """Embeds a text."""
        self._torch.check(base)

    def close(self) -> None:
        """Answers what waits, then ends."""
        self._engine.close()


class _EngineModel:
    def __init__(self, engine: Engine, served: ServedModel) -> None:
        self._engine = engine
        self._served = served

    @property
    def decision(self) -> Decision:
        return self._served.decision

    def embed(self, texts: Sequence[str], truncate: Truncate) -> np.ndarray:
        if truncate == "START":
            return self._without_their_start(texts)
        if truncate == "NONE":
            self._refuse_long(texts)
        try:
            answers = self._engine.answer(self._served, texts)
        except QueueFullError as error:
            raise BusyError(str(error), retry_after_s=_RETRY_AFTER_S) from error
        answers.raise_for_errors()
        return answers.embeddings

    def _refuse_long(self, texts: Sequence[str]) -> None:
        limit = self._served.max_length
        counts = self._served.tokenizer.count(self._read(texts))
        for place, count in enumerate(counts):
            if count > limit:
                raise InputError(
                    f"Text {place + 1} has {count} tokens; at most {limit} are read. Shorten it, or let it be cut with "
                    "truncate=START or END."
                )

    def _without_their_start(self, texts: Sequence[str]) -> np.ndarray:
        """Computed here: the engine cuts at the end, and hardly anybody asks for this."""
        served = self._served
        encoded = served.tokenizer.encode(self._read(texts), max_length=served.max_length, truncate="start")
        embeddings = np.zeros((len(texts), served.embedding_size), dtype=np.float32)
        for rows in length_batches([len(ids) for ids in encoded], DIRECT_BATCH_TOKENS):
            ids, mask = served.tokenizer.pad([encoded[row] for row in rows])
            embeddings[rows] = served.tail.run(served.trunk.run(ids, mask), mask)
        return embeddings

    def _read(self, texts: Sequence[str]) -> list[str]:
        return [clean_text(text) for text in texts] if self._served.clean else list(texts)
