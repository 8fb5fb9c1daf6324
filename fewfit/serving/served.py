"""One model ready to answer: shared trunk, shared tokenizer, its own tail."""

import hashlib
import logging
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar
from weakref import WeakSet, WeakValueDictionary

import numpy as np

from fewfit.artifact import Artifact
from fewfit.data import clean_text
from fewfit.decision import Decision
from fewfit.encoders.graphs import PRECISIONS, Precision
from fewfit.encoders.lora import lora_rows, merged
from fewfit.encoders.portable import PortableEncoder
from fewfit.encoders.tokenizing import Tokenizer, Truncate
from fewfit.encoders.windows import Windows, embed_windows
from fewfit.errors import ArtifactError, DigestError, FewfitError, InputError, MissingExtraError
from fewfit.fast_tier import FastTier
from fewfit.serving.parity import ODD_TEXTS, Parity, ServedPrecision, compare, cpu_kind
from fewfit.serving.runtime import TailRunner, TrunkRunner
from fewfit.serving.sessions import LowRankTail, SharedTailSession, TailSession, TrunkSession, release_freed_memory

logger = logging.getLogger(__name__)

T = TypeVar("T")

DIRECT_BATCH_TOKENS = 512
# Beside many models, one with a tail of its own is computed alone: a few of them cost the others little.
DEFAULT_OWN_TAILS = 2


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A model in memory. Models with the same `trunk` object can be asked in one batch.

    A text of more than `max_length` tokens is read in up to `windows` windows.
    """

    decision: Decision
    tokenizer: Tokenizer
    trunk: TrunkRunner
    tail: TailRunner
    precision: ServedPrecision
    max_length: int
    clean: bool
    windows: int = 1
    parity: Parity | None = None
    fast: FastTier | None = None

    @property
    def embedding_size(self) -> int:
        """The width of an embedding."""
        return self.tokenizer.config.embedding_size

    @property
    def size_bytes(self) -> int:
        """What this model needs beside trunk and tokenizer."""
        return self.tail.size_bytes + (self.fast.size_bytes if self.fast is not None else 0)

    def encode(self, texts: Sequence[str], truncate: Truncate = "end") -> tuple[Windows, dict[int, FewfitError]]:
        """The token ids of each text; an empty window for those that cannot be read, and why, by position."""
        read = [clean_text(text) if self.clean and isinstance(text, str) else text for text in texts]
        try:
            return self._windows(read, truncate), {}
        except (TypeError, ValueError, FewfitError):
            pass  # one of them cannot be read: find out which, so that it fails alone
        found: list[Sequence[list[int]]] = []
        errors: dict[int, FewfitError] = {}
        for number, text in enumerate(read):
            try:
                found.extend(self._windows([text], truncate).texts)
            except FewfitError as error:
                found.append([[]])  # it was asked about alone, as the first
                errors[number] = InputError(str(error).replace("Text 1 ", f"Text {number + 1} ", 1))
            except (TypeError, ValueError) as error:
                found.append([[]])
                errors[number] = InputError(f"Text {number + 1} cannot be read: {error}")
        return Windows(found), errors

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings (n_texts, embedding) of texts that can be read, computed here on the calling thread."""
        read = [clean_text(text) for text in texts] if self.clean else texts
        return embed_windows(
            self._windows(read),
            self.tokenizer,
            lambda ids, mask: self.tail.run(self.trunk.run(ids, mask), mask),
            batch_tokens=DIRECT_BATCH_TOKENS,
        )

    def _windows(self, texts: Sequence[str], truncate: Truncate = "end") -> Windows:
        return Windows(self.tokenizer.windows(texts, most=self.windows, max_length=self.max_length, truncate=truncate))


class ModelLoader:
    """Makes served models from artifacts; trunks and tokenizers are shared by all that have the same.

    With `device`, torch computes there, in half precision where that answers like the trained model; the
    base must be on this machine then. Low-rank models have a tail of their own, which is fastest, while there are no
    more of them on a base than `own_tails` (None: always); further ones share that of their base, so that texts for
    many models are answered together, each in a fraction of the memory.
    """

    def __init__(self, device: str | None = None, own_tails: int | None = None) -> None:
        self.device = device
        self.own_tails = own_tails
        self._own: dict[str, WeakSet[TailSession]] = {}  # by what they share
        self._trunks = _Shared[TrunkSession]()
        self._tails = _Shared[SharedTailSession]()
        self._tokenizers = _Shared[Tokenizer]()
        self._bases = _Shared[Any]()  # Encoder and TorchTrunk: naming them would import torch
        self._torch_trunks = _Shared[Any]()

    def load(
        self, artifact: Artifact, precision: Precision | None = None, *, own_tail: bool | None = None
    ) -> ServedModel:
        """The model in `precision`, or in the fastest that answers like the trained model on this CPU.

        `own_tail` says whether a low-rank model has a tail of its own; None: as `own_tails` has it.
        Raises ArtifactError where the model was saved without what serving needs, or has other weights than it had.
        """
        try:
            return self._load(artifact, precision, own_tail)
        except DigestError as error:
            raise ArtifactError(str(error)) from error
        finally:
            release_freed_memory()

    def _load(self, artifact: Artifact, precision: Precision | None, own_tail: bool | None) -> ServedModel:
        if self.device is not None:
            return self._load_with_torch(artifact, self.device)
        portable = artifact.portable
        if portable is None or artifact.probes is None:
            raise ArtifactError(
                "The model was saved without its ONNX part, so it can only be loaded where fewfit[train] is "
                "installed. Load it there and save it again."
            )
        if precision is not None:
            return self._build(artifact, portable, precision, own_tail)
        recorded = artifact.manifest.serving
        wanted = recorded.get("precision", "int8")
        if wanted not in PRECISIONS:
            raise ArtifactError(
                f"The model is to be served in {wanted!r}; this fewfit has {', '.join(PRECISIONS)}. Install the fewfit "
                "that wrote it, or save it again."
            )
        finer = PRECISIONS[PRECISIONS.index(wanted) :]
        ladder = [candidate for candidate in finer if candidate in portable.tail]
        if ladder[0] == "fp32" or recorded.get("cpu") == cpu_kind():
            return self._build(artifact, portable, ladder[0], own_tail)
        # Another kind of CPU may round differently or saturate: ask again what was asked when it was saved.
        for candidate in ladder[:-1]:
            model = self._build(artifact, portable, candidate, own_tail)
            served = model.decision.probabilities(model.embed(ODD_TEXTS))
            parity = compare(artifact.decision, artifact.probes, served, candidate)
            if parity.holds:
                return replace(model, parity=parity)
            logger.warning(
                "On this CPU (%s) answers in %s differ by %.3f from the trained model's; a finer precision serves.",
                parity.cpu,
                candidate,
                parity.p99_difference,
            )
        return self._build(artifact, portable, ladder[-1], own_tail)

    def _load_with_torch(self, artifact: Artifact, device: str) -> ServedModel:
        """The model on a device, in half precision where that answers like the trained model."""
        try:
            from fewfit.serving import torch_sessions
        except ImportError as error:
            raise MissingExtraError(
                f"Computing on {device!r} needs packages that the plain install leaves out ({error.name} is missing). "
                'Install them with: pip install "fewfit[train]"'
            ) from error

        reference = artifact.manifest.base
        encoder = self._bases.get((reference.digest, device), lambda: torch_sessions.load_base(artifact, device))
        half = torch_sessions.half_precision(encoder.device)
        precisions: list[ServedPrecision] = ["fp32"] if artifact.probes is None else [half, "fp32"]
        for precision in precisions:
            key = (reference.digest, reference.tail_layers, device, precision)
            trunk = self._torch_trunks.get(key, partial(torch_sessions.trunk_on_device, encoder, artifact, precision))
            model = ServedModel(
                decision=artifact.decision,
                tokenizer=encoder.tokenizer,
                trunk=trunk,
                tail=torch_sessions.tail_on_device(encoder, artifact, precision),
                precision=precision,
                max_length=artifact.manifest.max_length,
                clean=artifact.manifest.clean,
                windows=artifact.manifest.windows,
                fast=artifact.fast,
            )
            if precision == "fp32" or artifact.probes is None:
                break
            served = model.decision.probabilities(model.embed(ODD_TEXTS))
            parity = compare(artifact.decision, artifact.probes, served, precision)
            if parity.holds:
                return replace(model, parity=parity)
        return model

    def _build(
        self,
        artifact: Artifact,
        portable: PortableEncoder,
        precision: Precision,
        own_tail: bool | None,
    ) -> ServedModel:
        key = (portable.trunk_weights.digest, hashlib.sha256(portable.trunk[precision].model).digest())
        definition = hashlib.sha256(artifact.tokenizer.encode()).digest()
        return ServedModel(
            decision=artifact.decision,
            tokenizer=self._tokenizers.get(
                (definition, portable.config), lambda: Tokenizer(artifact.tokenizer, portable.config)
            ),
            trunk=self._trunks.get(key, lambda: _trunk(portable, precision)),
            tail=self._tail(artifact, portable, precision, own_tail),
            precision=precision,
            max_length=artifact.manifest.max_length,
            clean=artifact.manifest.clean,
            windows=artifact.manifest.windows,
            fast=artifact.fast,
        )

    def _tail(
        self, artifact: Artifact, portable: PortableEncoder, precision: Precision, own: bool | None
    ) -> TailRunner:
        shared = portable.tail_weights
        try:
            if shared is None:
                return TailSession(portable.tail[precision], artifact.tail)
            owning = self._own.setdefault(shared.digest, WeakSet())
            if own is None:
                own = self.own_tails is None or len(owning) < self.own_tails
            if own:
                session = TailSession(portable.tail[precision], whole_tail(artifact, portable))
                owning.add(session)
                return session
            graph = portable.low_rank_tail[precision]
            key = (shared.digest, hashlib.sha256(graph.model).digest())
            return LowRankTail(
                self._tails.get(key, lambda: SharedTailSession(graph, shared.arrays())), lora_rows(artifact.tail)
            )
        except KeyError as error:
            raise ArtifactError(f"The tail lacks the parameter {error}; the model was not loaded.") from error
        except ValueError as error:
            raise ArtifactError(f"The tail does not fit the base: {error}. The model was not loaded.") from error


def whole_tail(artifact: Artifact, portable: PortableEncoder) -> Mapping[str, np.ndarray]:
    """All parameters of a model's tail by name, of a low-rank one with those of its base in them.

    Raises KeyError or ValueError where they do not fit.
    """
    if portable.tail_weights is None:
        return artifact.tail
    return merged(portable.tail_weights.arrays(), artifact.tail, portable.config.architecture)


class _Shared(Generic[T]):
    """Things that are made once for each key, and forgotten when nobody uses them any more."""

    def __init__(self) -> None:
        self._made: WeakValueDictionary[Hashable, T] = WeakValueDictionary()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What belongs to the key; others wait only for things with the same key."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            found = self._made.get(key)
            if found is None:
                found = self._made[key] = make()
            return found


def _trunk(portable: PortableEncoder, precision: Precision) -> TrunkSession:
    return TrunkSession(portable.trunk[precision], portable.trunk_weights.arrays())
