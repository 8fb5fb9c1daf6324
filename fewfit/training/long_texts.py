"""Training texts that are longer than the encoder reads at once: cut, or read in windows and averaged."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from fewfit.data import LongTexts
from fewfit.decision import Decision, Head
from fewfit.encoders.tokenizing import Tokenizer
from fewfit.encoders.windows import MOST_WINDOWS, Windows
from fewfit.training.calibration import fit_calibration
from fewfit.training.metrics import mean_log_loss
from fewfit.training.targets import Targets

Way = Literal["cut", "windows"]

# Where fewer texts are too long, reading them whole can hardly show in what is held out.
LEAST_SHARE = 0.05


@dataclass(frozen=True)
class Reading:
    """How texts that are too long are read, and what speaks for it.

    `windows` is how many windows a text may have (1: it is cut), `too_long` the share of training texts that need
    more than one. `losses` is the out-of-fold log-loss of each way, empty where they were not compared.
    """

    windows: int
    too_long: float
    losses: Mapping[Way, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The reading as plain JSON types."""
        return asdict(self)


class TrainingWindows:
    """The windows of the training texts, and the ways in which their embeddings may become those of texts.

    With long_texts="auto" these are both "cut" and "windows" where at least 5 % of the texts are too long and
    `held_out` says that there will be answers to compare, else "cut". The first `n_labelled` texts count (None: all).
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        texts: Sequence[str],
        *,
        max_length: int | None,
        long_texts: LongTexts,
        held_out: bool,
        n_labelled: int | None = None,
    ) -> None:
        windows = Windows(tokenizer.windows(texts, most=MOST_WINDOWS, max_length=max_length))
        own = windows.counts[:n_labelled]
        self.too_long = float((own > 1).mean()) if len(own) else 0.0
        compared = long_texts == "auto" and held_out and self.too_long >= LEAST_SHARE
        self.ways: tuple[Way, ...] = ("cut",)
        if compared:
            self.ways = ("cut", "windows")
        elif long_texts == "windows":
            self.ways = ("windows",)
        self.windows = windows if "windows" in self.ways else Windows([parts[:1] for parts in windows.texts])
        # In full windows: all windows of a text but its last are full.
        self._sizes = np.array([sum(map(len, parts)) / len(parts[0]) for parts in self.windows.texts])  # (n_texts,)

    @property
    def token_ids(self) -> list[list[int]]:
        """The ids of every window: what the trunk reads."""
        return self.windows.ids

    def rows(self, texts: np.ndarray | None) -> np.ndarray | None:
        """The windows of some texts as places in `token_ids`, text by text; None stands for all."""
        if texts is None or not self.windows.several:
            return texts
        starts, counts = self.windows.starts[texts], self.windows.counts[texts]
        return np.concatenate([np.arange(start, start + n) for start, n in zip(starts, counts, strict=True)])

    def pick(self, texts: np.ndarray, rng: np.random.Generator, *, way: Way) -> np.ndarray:
        """A window of each text to tune on, as places in `token_ids`: the first where texts are cut, else any of them.

        A window is drawn as often as its tokens are many.
        """
        first = self.windows.starts[texts]
        if way == "cut":
            return np.asarray(first)
        # Beside the first window alone, the log-loss of models that read windows was lower: 0.254 instead of 0.255
        # and 0.258 instead of 0.261 (two samples, windows drawn evenly; see benchmarks/README.md, long texts).
        return np.asarray(first + (rng.random(len(texts)) * self._sizes[texts]).astype(np.intp))

    def by_way(self, embeddings: np.ndarray, texts: np.ndarray | None) -> dict[Way, np.ndarray]:
        """Embeddings of the windows of some texts (n_windows, hidden) to those of the texts, (n_texts, hidden)."""
        if not self.windows.several:
            return dict.fromkeys(self.ways, embeddings)
        windows = self.windows if texts is None else self.windows.take(texts)
        return {way: embeddings[windows.starts] if way == "cut" else windows.mean(embeddings) for way in self.ways}

    def reading(self, logits: Mapping[Way, np.ndarray], targets: Targets) -> tuple[Way, Reading]:
        """The way to keep, by the out-of-fold logits (n_texts, n_labels) of each: the one with the lower loss."""
        losses: dict[Way, float] = {}
        if len(self.ways) > 1:
            losses = {way: _loss(logits[way], targets) for way in self.ways}
        # Where they are the same, "cut" comes first: it is faster.
        way = min(self.ways, key=lambda way: losses.get(way, 0.0))
        return way, Reading(MOST_WINDOWS if way == "windows" else 1, self.too_long, losses)


def _loss(logits: np.ndarray, targets: Targets) -> float:
    decision = Decision(
        targets.kind,
        targets.labels,
        Head(np.zeros((targets.n_labels, 0)), np.zeros(targets.n_labels)),
        fit_calibration(logits, targets),
        groups=targets.groups,
    )
    return mean_log_loss(targets, decision.confidences(logits))
