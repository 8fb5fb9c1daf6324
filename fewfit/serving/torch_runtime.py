"""The reference runtime: torch, in full precision."""

from collections.abc import Sequence

import numpy as np
import torch

from fewfit.encoders.batching import length_batches
from fewfit.encoders.split import Tail, Trunk
from fewfit.encoders.tokenizing import Tokenizer

BATCH_TOKENS = 2048


class TorchRuntime:
    """Embeds with a torch trunk and tail in float32, the same for a text whatever its batch."""

    def __init__(
        self, trunk: Trunk, tail: Tail, tokenizer: Tokenizer, *, max_length: int, device: torch.device
    ) -> None:
        self._trunk = trunk
        self._tail = tail.eval()
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._device = device

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings, float32 (n_texts, hidden), in the order of `texts`."""
        token_ids = self._tokenizer.encode(texts, max_length=self._max_length)
        embeddings = np.zeros((len(texts), self._tail.config.embedding_size), dtype=np.float32)
        with torch.inference_mode():
            for rows in length_batches([len(ids) for ids in token_ids], BATCH_TOKENS):
                ids, mask = self._tokenizer.pad([token_ids[row] for row in rows])
                attention_mask = torch.from_numpy(mask).to(self._device)
                hidden = self._trunk(torch.from_numpy(ids).to(self._device), attention_mask)
                embeddings[rows] = self._tail(hidden, attention_mask).float().cpu().numpy()
        return embeddings
