"""The reference runtime: torch, in full precision."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from fewfit.data import clean_text
from fewfit.encoders.split import Tail, Trunk
from fewfit.encoders.tokenizing import Tokenizer
from fewfit.encoders.windows import Windows, embed_windows

BATCH_TOKENS = 2048


class TorchRuntime:
    """Embeds with a torch trunk and tail in float32, the same for a text whatever its batch.

    With `clean`, markup and URLs are taken out of a text first, as in `ServedModel`.
    """

    def __init__(
        self,
        trunk: Trunk,
        tail: Tail,
        tokenizer: Tokenizer,
        *,
        max_length: int,
        windows: int = 1,
        clean: bool = False,
        device: torch.device,
    ) -> None:
        self._trunk = trunk
        self._tail = tail.eval()
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._windows = windows
        self._clean = clean
        self._device = device

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings, float32 (n_texts, hidden), in the order of `texts`."""
        read = [clean_text(text) for text in texts] if self._clean else texts
        windows = Windows(self._tokenizer.windows(read, most=self._windows, max_length=self._max_length))
        return embed_windows(windows, self._tokenizer, self._run, batch_tokens=BATCH_TOKENS)

    def _run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.inference_mode():
            attention_mask = torch.from_numpy(mask).to(self._device)
            hidden = self._trunk(torch.from_numpy(ids).to(self._device), attention_mask)
            return np.asarray(self._tail(hidden, attention_mask).float().cpu().numpy())
