"""What the trunk makes of the training texts: computed once and kept, or again when asked for."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from fewfit.encoders.batching import length_batches
from fewfit.encoders.split import Tail, Trunk
from fewfit.encoders.tokenizing import Tokenizer
from fewfit.training.events import Progress
from fewfit.training.precision import autocast, has_fast_bf16


class Activations(Protocol):
    """Trunk outputs of `n_texts` texts, handed out in padded batches."""

    lengths: np.ndarray  # tokens of each text, (n_texts,)

    def batch(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states (rows, longest, hidden) and their mask (rows, longest) for some texts."""
        ...


class KeptActivations:
    """Trunk outputs in memory, one flat array without padding: linear in the number of tokens."""

    def __init__(
        self,
        trunk: Trunk,
        tokenizer: Tokenizer,
        token_ids: Sequence[list[int]],
        *,
        device: torch.device,
        batch_tokens: int,
        progress: Progress,
        stage: str,
        cost_per_text: float,
    ) -> None:
        self.lengths = np.array([len(ids) for ids in token_ids])
        self._starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self._device = device
        source = ComputedActivations(trunk, tokenizer, token_ids, device=device)
        self._flat: torch.Tensor | None = None
        for rows in length_batches(self.lengths, batch_tokens):
            hidden, _ = source.batch(rows)
            if self._flat is None:
                self._flat = torch.empty(int(self._starts[-1]), hidden.shape[2], dtype=source.dtype)
            for place, row in enumerate(rows):
                self._flat[self._starts[row] : self._starts[row + 1]] = hidden[place, : self.lengths[row]]
            progress.advance(stage, steps=len(rows), cost_per_step=cost_per_text)

    def batch(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states (rows, longest, hidden) and their mask (rows, longest) for some texts."""
        assert self._flat is not None, "an empty training set is refused earlier"
        lengths = self.lengths[rows]
        hidden = torch.zeros(len(rows), int(lengths.max()), self._flat.shape[1], dtype=self._flat.dtype)
        mask = torch.zeros(hidden.shape[:2], dtype=torch.long)
        for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            hidden[place, :length] = self._flat[self._starts[row] : self._starts[row + 1]]
            mask[place, :length] = 1
        return hidden.to(self._device), mask.to(self._device)


class ComputedActivations:
    """Trunk outputs made anew at each call: for sets too large to keep."""

    def __init__(
        self, trunk: Trunk, tokenizer: Tokenizer, token_ids: Sequence[list[int]], *, device: torch.device
    ) -> None:
        self.lengths = np.array([len(ids) for ids in token_ids])
        self._trunk = trunk
        self._tokenizer = tokenizer
        self._token_ids = token_ids
        self._device = device
        # Half the memory where the products are in bf16 anyway; the difference drowns in their rounding.
        self.dtype = torch.bfloat16 if has_fast_bf16(device) else torch.float32

    def batch(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states (rows, longest, hidden) and their mask (rows, longest) for some texts."""
        ids, mask = self._tokenizer.pad([self._token_ids[row] for row in rows])
        input_ids = torch.from_numpy(ids).to(self._device)
        attention_mask = torch.from_numpy(mask).to(self._device)
        with torch.no_grad(), autocast(self._device):
            hidden = self._trunk(input_ids, attention_mask)
        return hidden.to(self.dtype), attention_mask


class JoinedActivations:
    """Two sets of trunk outputs as one: the rows of `first`, and after them those of `second`."""

    def __init__(self, first: Activations, second: Activations) -> None:
        self.lengths = np.concatenate([first.lengths, second.lengths])
        self._first = first
        self._second = second

    def batch(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states (rows, longest, hidden) and their mask (rows, longest) for some texts."""
        after = len(self._first.lengths)
        places = [np.flatnonzero(rows < after), np.flatnonzero(rows >= after)]
        asked = [(self._first, rows[places[0]]), (self._second, rows[places[1]] - after)]
        parts = [source.batch(own) for source, own in asked if len(own)]
        longest = max(mask.shape[1] for _, mask in parts)
        hidden = torch.cat([functional.pad(states, (0, 0, 0, longest - states.shape[1])) for states, _ in parts])
        mask = torch.cat([functional.pad(mask, (0, longest - mask.shape[1])) for _, mask in parts])
        order = torch.from_numpy(np.argsort(np.concatenate(places))).to(hidden.device)
        return hidden[order], mask[order]


def embed(
    tail: Tail,
    activations: Activations,
    *,
    device: torch.device,
    batch_tokens: int,
    progress: Progress,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Embeddings that a tail makes of the activations, float32 (n_rows, hidden), in the order of `rows`.

    Raises Cancelled where the job of `progress` was cancelled.
    """
    rows = np.arange(len(activations.lengths)) if rows is None else rows
    tail.eval()
    out: np.ndarray | None = None
    for places in length_batches(activations.lengths[rows], batch_tokens):
        progress.raise_if_cancelled()
        hidden, mask = activations.batch(rows[places])
        with torch.no_grad(), autocast(device):
            embeddings = tail(hidden, mask).float().cpu().numpy()
        if out is None:
            out = np.empty((len(rows), embeddings.shape[1]), dtype=np.float32)
        out[places] = embeddings
    assert out is not None, "an empty set is refused earlier"
    return out
