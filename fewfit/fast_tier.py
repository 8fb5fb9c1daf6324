"""A fast stand-in for a model: it answers the texts that it is sure of, and leaves the others to the model.

A text's logits are sums over its tokens and over pairs of neighbours, from two tables that were taught
what the model says (see `fewfit.training.distilling`). Plain numpy; a text takes microseconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewfit.decision import Decision, margins_in

FILE = "fast.safetensors"
N_PAIRS = 1 << 16  # places of the table of pairs; two pairs may share one
_FIRST, _SECOND = 1_000_003, 7_919  # primes, so that pairs spread over the table


@dataclass(frozen=True)
class Tokens:
    """The token ids of some texts, one after another: `ids`, and where each text starts; none is empty."""

    ids: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, encoded: Sequence[Sequence[int]]) -> "Tokens":
        """The tokens of texts as the tokenizer gives them."""
        lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
        ids = np.fromiter((token for ids in encoded for token in ids), dtype=np.int64, count=int(lengths.sum()))
        return cls(ids, np.cumsum(lengths) - lengths)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many tokens each text has."""
        return np.asarray(np.diff(self.starts, append=len(self.ids)), dtype=np.int64)

    def pairs(self) -> NDArray[np.int64]:
        """The place of each token with the next in the table of pairs; -1 after a text's last token."""
        following = np.append(self.ids[1:], 0)
        places = np.asarray((self.ids * _FIRST + following * _SECOND) % N_PAIRS, dtype=np.int64)
        places[self.starts + self.lengths - 1] = -1
        return places


@dataclass(frozen=True)
class FastTier:
    """What `distil` made: tables of tokens (vocabulary, labels) and pairs (places, labels), float16.

    `bias` is (n_labels,), float32. A text is answered where its margin is at least `cut`.
    """

    tokens: NDArray[np.float16]
    pairs: NDArray[np.float16]
    bias: NDArray[np.float32]
    cut: float

    @property
    def size_bytes(self) -> int:
        """What the tables need in memory."""
        return self.tokens.nbytes + self.pairs.nbytes + self.bias.nbytes

    def logits(self, encoded: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Calibrated logits (n_texts, n_labels) of texts as token ids. A text's do not depend on the others."""
        if not len(encoded):
            return np.zeros((0, len(self.bias)), dtype=np.float32)
        texts = Tokens.of(encoded)
        places = texts.pairs()
        values = self.tokens[texts.ids].astype(np.float32)
        values += self.pairs[places].astype(np.float32) * (places >= 0)[:, None]
        sums = np.add.reduceat(values, texts.starts, axis=0)
        return np.asarray(sums / np.sqrt(texts.lengths, dtype=np.float32)[:, None] + self.bias, dtype=np.float32)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The tier as arrays for a file."""
        return {"tokens": self.tokens, "pairs": self.pairs, "bias": self.bias, "cut": np.array([self.cut])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]], n_labels: int) -> "FastTier":
        """The tier that `arrays` gave. Raises KeyError or ValueError for others."""
        tokens, pairs, bias = (np.asarray(arrays[name]) for name in ("tokens", "pairs", "bias"))
        if bias.shape != (n_labels,) or tokens.shape[1:] != (n_labels,) or pairs.shape != (N_PAIRS, n_labels):
            raise ValueError(f"the fast tier's tables are not for {n_labels} labels")
        return cls(
            tokens.astype(np.float16), pairs.astype(np.float16), bias.astype(np.float32), float(arrays["cut"][0])
        )


def margins(decision: Decision, logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far each text (calibrated logits, (n_texts, n_labels)) is from another answer.

    Single-label: between the best label and the next (in groups: in the nearest one). Multilabel: the label nearest to
    its threshold.
    """
    logits = np.asarray(logits, dtype=np.float64)
    if decision.exclusive:
        return margins_in(decision.exclusive, logits)
    assert decision.thresholds is not None
    thresholds = np.clip(decision.thresholds, 1e-9, 1 - 1e-9)
    return np.asarray(np.abs(logits - np.log(thresholds / (1 - thresholds))).min(axis=1))


def fast_answers(
    tier: FastTier, decision: Decision, encoded: Sequence[Sequence[int]]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which texts the tier is sure of, and its confidences for all of them, (n_texts, n_labels)."""
    logits = tier.logits(encoded)
    return margins(decision, logits) >= tier.cut, decision.of_calibrated(logits)
