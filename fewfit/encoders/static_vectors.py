"""One vector for each token of a base: what the base makes of the token alone. Needs the training extra.

The recipe is model2vec's (https://github.com/MinishLab/model2vec): each token goes through the encoder by
itself, principal components keep what differs, and frequent tokens weigh less, by Zipf's law. Computed
once for each base, by its digest, and kept in fewfit's cache folder.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fewfit.encoders.cache import cache_folder, making, write_bytes_atomically
from fewfit.encoders.encoder import Encoder

logger = logging.getLogger(__name__)

DIMENSIONS = 256
# Counts up whenever the recipe changes, so that older files in the cache are left alone.
VERSION = 1
_SIF = 1e-4  # model2vec's weight of a frequent token: a / (a + its share)
_BATCH = 1024  # tokens, each a text of three or so

# Hears how many tokens of how many are done; may raise to stop.
OnTokens = Callable[[int, int], None]


def static_vectors(encoder: Encoder, *, on_tokens: OnTokens | None = None) -> NDArray[np.float32]:
    """Vectors (vocabulary, at most 256) of a base's tokens; the mean over a text's tokens stands for the text.

    The first call for a base takes from seconds to minutes (250,000 tokens of `multilingual`), later ones
    read a file. Whatever `on_tokens` raises ends the work, and nothing is kept.
    """
    path = _kept(encoder.weights.digest)
    with making(path):
        found = _read(path)
        if found is None:
            found = _reduced(_token_embeddings(encoder, on_tokens)) * _zipf_weights(encoder)[:, None]
            found = found.astype(np.float16)
            with suppress(OSError):  # a cache that cannot be written to costs time, nothing else
                write_bytes_atomically(path, save({"vectors": found}))
    return np.asarray(found, dtype=np.float32)


def _token_embeddings(encoder: Encoder, on_tokens: OnTokens | None) -> NDArray[np.float32]:
    """What the base makes of each token between its special tokens, (vocabulary, embedding)."""
    trunk, tail = encoder.split(0)
    tail.eval()
    head, last = encoder.tokenizer.special_ids
    n_tokens = encoder.config.vocab_size
    embeddings = np.zeros((n_tokens, encoder.config.embedding_size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, n_tokens, _BATCH):
            if on_tokens is not None:
                on_tokens(start, n_tokens)
            tokens = torch.arange(start, min(start + _BATCH, n_tokens))
            parts = [*(torch.full_like(tokens, i) for i in head), tokens, *(torch.full_like(tokens, i) for i in last)]
            ids = torch.stack(parts, dim=1).to(encoder.device)
            mask = torch.ones_like(ids)
            embeddings[start : start + len(tokens)] = tail(trunk(ids, mask), mask).float().cpu().numpy()
    if on_tokens is not None:
        on_tokens(n_tokens, n_tokens)
    return embeddings


def _reduced(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """The principal components that differ most, around their mean."""
    centred = embeddings - embeddings.mean(axis=0)
    values, directions = np.linalg.eigh(centred.T.astype(np.float64) @ centred.astype(np.float64))
    strongest = np.argsort(values)[::-1][:DIMENSIONS]
    return np.asarray(centred @ directions[:, strongest].astype(np.float32))


def _zipf_weights(encoder: Encoder) -> NDArray[np.float32]:
    """How much each token counts: vocabularies list their tokens from frequent to rare."""
    n_tokens = encoder.config.vocab_size
    shares = 1 / np.arange(2, n_tokens + 2)
    weights = _SIF / (_SIF + shares / shares.sum())
    head, last = encoder.tokenizer.special_ids
    weights[[*head, *last, encoder.config.pad_id]] = 0  # the same in every text
    return np.asarray(weights, dtype=np.float32)


def _kept(digest: str) -> Path:
    return cache_folder() / "static" / f"{digest[:32]}-{VERSION}.safetensors"


def _read(path: Path) -> NDArray[np.float16] | None:
    try:
        return np.asarray(load(path.read_bytes())["vectors"])
    except OSError:
        return None
    except (SafetensorError, KeyError) as error:
        logger.warning("%s cannot be read (%s); it is made again.", path, error)
        return None
