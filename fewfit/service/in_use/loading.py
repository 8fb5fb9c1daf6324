"""Models in memory: the seam between the service and whatever computes answers.

`ModelLoader` is what the registry needs; `EngineLoader` stands behind a server, `TorchLoader` is the reference.
It keeps one encoder a base, whose lower layers all models of that base share; a model adds its tail and head.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from anyio import to_thread

from fewfit.artifact import Manifest, read_artifact
from fewfit.data import clean_text
from fewfit.decision import Decision
from fewfit.encoders.windows import Windows, embed_windows
from fewfit.errors import ArtifactError, MissingExtraError
from fewfit.service.records import Speed, Truncate

if TYPE_CHECKING:
    from fewfit.encoders.encoder import Encoder
    from fewfit.encoders.split import Tail, Trunk
    from fewfit.encoders.tokenizing import Truncate as Cut

# What each choice of the API is called further down.
CUTS: "dict[Truncate, Cut]" = {"START": "start", "END": "end", "NONE": "none"}
# Padded tokens of a batch: the size that CPUs are fastest with.
_BATCH_TOKENS = 2048


class LoadedModel(Protocol):
    """A model that answers. Its methods may be called from several threads at once."""

    @property
    def decision(self) -> Decision:
        """From embeddings to labels."""
        ...

    @property
    def frozen(self) -> Decision | None:
        """From embeddings of the untuned base to labels, fitted on the same examples; None: not kept."""
        ...

    @property
    def windows(self) -> int:
        """In how many windows it reads a text at the most; 1: it cuts."""
        ...

    def embed(self, texts: Sequence[str], truncate: Truncate) -> np.ndarray:
        """What the decision takes, (n_texts, hidden). Raises InputError for a text too long with NONE."""
        ...

    @property
    def has_fast_tier(self) -> bool:
        """Whether `confidences_async` may be asked with speed="fast"."""
        ...

    async def confidences_async(self, texts: Sequence[str], truncate: Truncate, speed: Speed = "full") -> np.ndarray:
        """Confidences (n_texts, n_labels), for coroutines: it never holds up the event loop.

        With speed="fast" they are the fast tier's where it is sure. Raises like `embed`.
        """
        ...


class ModelLoader(Protocol):
    """Reads models and embeds with untuned bases."""

    def load(self, folder: Path, base: str) -> LoadedModel:
        """The model in an artifact's folder, whose base is known under `base`."""
        ...

    def embed(self, base: str, texts: Sequence[str], truncate: Truncate, *, windows: int = 1) -> np.ndarray:
        """Embeddings of the untuned base, (n_texts, hidden); longer texts in so many windows."""
        ...

    def check(self, base: str) -> None:
        """Raises an error where the base could not be used."""
        ...

    def close(self) -> None:
        """Lets go of everything."""
        ...


class TorchLoader:
    """Computes with torch, in float32."""

    def __init__(self, threads: int = 0) -> None:
        self._encoders: dict[str, Encoder] = {}
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}
        self._threads = threads

    def load(self, folder: Path, base: str) -> LoadedModel:
        """The model in an artifact's folder. Raises ArtifactError where it is not whole, or of another base."""
        artifact = read_artifact(folder, examples=False)
        reference = artifact.manifest.base
        encoder = self._encoder(base)
        if encoder.weights.digest != reference.digest:
            raise ArtifactError(
                f"The model was trained on the base {reference.name} with digest {reference.digest[:12]}..., but "
                f"{base} is {encoder.weights.digest[:12]}... on this server. Put the old weights back, or train again."
            )
        trunk = encoder.trunk(reference.tail_layers)
        tail = encoder.tail_of(reference.tail_layers, artifact.tail)
        manifest = artifact.manifest
        return _TorchModel(encoder, trunk, tail.eval(), artifact.decision, artifact.frozen, manifest)

    def embed(self, base: str, texts: Sequence[str], truncate: Truncate, *, windows: int = 1) -> np.ndarray:
        """Embeddings of the untuned base, (n_texts, hidden); longer texts in so many windows."""
        return self._encoder(base).embed(texts, batch_tokens=_BATCH_TOKENS, truncate=CUTS[truncate], windows=windows)

    def check(self, base: str) -> None:
        """Embeds a text."""
        self.embed(base, ["ready"], "END")

    def close(self) -> None:
        """Forgets the bases."""
        self._encoders.clear()

    def _encoder(self, base: str) -> "Encoder":
        """The encoder of a base, loaded once; others are not held up meanwhile."""
        with self._lock:
            found = self._encoders.get(base)
            lock = self._loading.setdefault(base, threading.Lock())
        if found is None:
            with lock:
                found = self._encoders.get(base)
                if found is None:
                    found = self._encoders[base] = _load_encoder(base, self._threads)
        return found


class _TorchModel:
    def __init__(
        self,
        encoder: "Encoder",
        trunk: "Trunk",
        tail: "Tail",
        decision: Decision,
        frozen: Decision | None,
        manifest: Manifest,
    ) -> None:
        self.decision = decision
        self.frozen = frozen
        self.windows = manifest.windows
        self._max_length = manifest.max_length
        self._clean = manifest.clean
        self._tokenizer = encoder.tokenizer
        self._trunk = trunk
        self._tail = tail

    def embed(self, texts: Sequence[str], truncate: Truncate) -> np.ndarray:
        read = [clean_text(text) for text in texts] if self._clean else texts
        cut = CUTS[truncate]
        found = self._tokenizer.windows(read, most=self.windows, max_length=self._max_length, truncate=cut)
        return embed_windows(Windows(found), self._tokenizer, self._run, batch_tokens=_BATCH_TOKENS)

    @property
    def has_fast_tier(self) -> bool:
        return False

    async def confidences_async(self, texts: Sequence[str], truncate: Truncate, speed: Speed = "full") -> np.ndarray:
        if speed == "fast":
            raise NotImplementedError("torch is the reference; it has no fast tier")
        return self.decision.probabilities(await to_thread.run_sync(self.embed, texts, truncate))

    def _run(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            attention_mask = torch.from_numpy(mask)
            return np.asarray(self._tail(self._trunk(torch.from_numpy(ids), attention_mask), attention_mask).float())


def _load_encoder(base: str, threads: int) -> "Encoder":
    try:
        import torch

        from fewfit.encoders.encoder import Encoder
    except ImportError as error:
        raise MissingExtraError(
            f'Classifying with torch needs the train extra ({error.name} is missing): pip install "fewfit[train]"'
        ) from error
    if threads:
        torch.set_num_threads(threads)
    return Encoder.load(base, device="cpu")
