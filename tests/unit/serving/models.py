"""Models on a toy base, made without training: the tail is the base's own, the head random."""

from pathlib import Path

import numpy as np
import torch

from fewfit.artifact import Artifact, BaseReference, Manifest
from fewfit.decision import Calibration, Decision, Head, Kind
from fewfit.encoders.encoder import Encoder
from fewfit.encoders.lora_extraction import extract_lora
from fewfit.serving.preparing import make_portable
from fewfit.serving.torch_runtime import TorchRuntime

TEXTS = (
    "the parcel has not arrived and nobody answers",
    "no",
    "",
    "Was für ein schöner Film!",
    "please send the invoice for the last order to my new address, the old one is wrong",
    "注文をキャンセルしたいです",
    "how do I change my password",
    "🙂",
    "the card was charged twice for one ticket and the second half was slow",
    "rain in the north",
)
# Cosine to the torch model's embeddings, of each text of a random encoder in int8: 0.9986 at the least.
NEAR = 0.998


def cosines(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How alike two embeddings (n_texts, width) of each text are, (n_texts,)."""
    lengths = np.linalg.norm(some, axis=1) * np.linalg.norm(others, axis=1)
    return np.asarray((some * others).sum(axis=1) / lengths)


class ToyModel:
    """A model with a random head (and, with `shift`, a changed tail), and its torch runtime to compare with.

    With `rank` the change of the tail's attention alone is kept, as one of that rank.
    """

    def __init__(
        self,
        base: Path,
        *,
        kind: Kind = "single",
        tail_layers: int = 2,
        seed: int = 0,
        shift: float = 0.0,
        windows: int = 1,
        rank: int | None = None,
    ) -> None:
        encoder = Encoder.load(base, device="cpu")
        rng = np.random.default_rng(seed)
        trunk, tail = encoder.split(tail_layers)
        with torch.no_grad():
            for parameter in tail.parameters():
                parameter.add_(torch.from_numpy(shift * rng.normal(size=parameter.shape).astype(np.float32)))
        arrays = {name: value.numpy() for name, value in tail.state_dict().items()}
        if rank is not None:
            arrays = extract_lora(tail, encoder.split(tail_layers)[1], rank)
            tail = encoder.tail_of(tail_layers, arrays)
        max_length = encoder.config.max_length
        self.runtime = TorchRuntime(
            trunk, tail, encoder.tokenizer, max_length=max_length, windows=windows, device=torch.device("cpu")
        )
        labels = ("parcel", "card", "film")
        head = Head(
            rng.normal(size=(3, encoder.config.embedding_size)).astype(np.float32) * 3,
            rng.normal(size=3).astype(np.float32),
        )
        thresholds = np.array([0.4, 0.5, 0.6]) if kind == "multi" else None
        decision = Decision(kind, labels, head, Calibration.identity(3), thresholds)
        manifest = Manifest(
            kind=kind,
            labels=labels,
            base=BaseReference("toy", encoder.weights.digest, "toy", encoder.config.n_layers, tail_layers),
            max_length=max_length,
            windows=windows,
            clean=False,
            tuned=True,
            created_at="2026-01-01T00:00:00Z",
            fewfit_version="0",
        )
        bare = Artifact(manifest, decision, decision, arrays, encoder.tokenizer.to_json())
        self.encoder = encoder
        self.bare = bare
        # Random weights round badly; what is tested here is not how well.
        self.artifact = make_portable(bare, encoder, self.runtime.embed, TEXTS, tolerance=0.5)
