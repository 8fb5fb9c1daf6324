"""Whether a faster form of a model still answers like the model that was trained."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime

from fewfit.decision import Decision, margins_in
from fewfit.encoders.graphs import Precision

# How a model may be served: the precisions of the ONNX graphs, and the half precisions that torch computes in.
ServedPrecision = Precision | Literal["bf16", "fp16"]

TOLERANCE = 0.05  # of confidence, 0 to 1
_PERCENTILE = 99
_MOST_LABELS_A_TEXT = 20  # those that differ most
_INSTRUCTIONS = ("amx_int8", "avx512_vnni", "avx_vnni", "avx512f", "avx2", "asimddp", "i8mm")


@dataclass(frozen=True)
class Parity:
    """How far the answers of a model in `precision` are from those of the trained one.

    Compared on texts that it was not trained on. `p99_difference` is the 99th percentile of the
    difference in confidence, `agreement` the share of texts with the same labels, `overturned` how many
    texts got other labels although the trained model's margin was more than twice the tolerance.
    """

    precision: ServedPrecision
    cpu: str
    n_texts: int
    tolerance: float
    p99_difference: float
    agreement: float
    overturned: int

    @property
    def holds(self) -> bool:
        """Whether the form may serve."""
        return self.p99_difference <= self.tolerance and self.overturned == 0

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain JSON types."""
        return {**asdict(self), "holds": self.holds}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Parity":
        """What `to_dict` gave."""
        return cls(**{name: value for name, value in data.items() if name != "holds"})


def compare(
    decision: Decision,
    trained: np.ndarray,
    served: np.ndarray,
    precision: ServedPrecision,
    *,
    tolerance: float = TOLERANCE,
) -> Parity:
    """Compares confidences (n_texts, n_labels) of the trained model with those of the one to be served."""
    # Where there are many labels, nearly all of a text's are 0 either way: they must not hide the others.
    differences = np.sort(np.abs(trained - served), axis=1)[:, -_MOST_LABELS_A_TEXT:]
    wanted, given = decision.matrix(trained), decision.matrix(served)
    same = (wanted == given).all(axis=1)
    if decision.exclusive:
        overturned = np.zeros(len(trained), dtype=bool)
        for columns in decision.exclusive:
            changed = (wanted != given)[:, list(columns)].any(axis=1)
            overturned |= changed & (margins_in((columns,), trained) > 2 * tolerance)
    else:
        assert decision.thresholds is not None
        margins = np.abs(trained - decision.thresholds)
        overturned = ((wanted != given) & (margins > 2 * tolerance)).any(axis=1)
    return Parity(
        precision=precision,
        cpu=cpu_kind(),
        n_texts=len(trained),
        tolerance=tolerance,
        p99_difference=float(np.percentile(differences, _PERCENTILE)),
        agreement=float(same.mean()),
        overturned=int(overturned.sum()),
    )


@lru_cache(maxsize=1)
def cpu_kind() -> str:
    """What decides how numbers are rounded here: machine, vector instructions, onnxruntime's version."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").replace("\n", " ").split())
    except OSError:
        flags = {platform.processor()}
    has = "+".join(name for name in _INSTRUCTIONS if name in flags) or "plain"
    return f"{platform.machine()} {has} onnxruntime-{onnxruntime.__version__}"


def probe_texts(texts: Sequence[str], limit: int = 96) -> list[str]:
    """Texts to compare on that nobody trained on: halves of different texts put together, and odd ones.

    A mixture of two texts lies between what they are, where answers are easiest to overturn.
    """
    words = [text.split() for text in texts]
    room = max(0, limit - len(ODD_TEXTS))
    mixed = []
    for number in range(min(room, len(texts) * 2)):
        # Coprime strides: every text meets others, whatever order the labels are in.
        first, second = words[(number * 7) % len(words)], words[(number * 11 + len(words) // 2) % len(words)]
        mixed.append(" ".join([*first[: (len(first) + 1) // 2], *second[len(second) // 2 :]]))
    return [*ODD_TEXTS, *mixed]


ODD_TEXTS = (
    "",
    " ",
    ".",
    "?!?!?!",
    "a",
    "ok",
    "no thanks",
    "12345 67890",
    "🙂🙂🙂",
    "\t\n\r",
    "WHY IS THIS STILL NOT WORKING",
    "please call me back, thank you",
    "I would like to change my order before it is sent",
    "Das Paket ist gestern nicht angekommen.",
    "¿Dónde puedo ver mi factura?",
    "Je n'arrive pas à me connecter à mon compte",
    "Спасибо, всё работает",
    "注文をキャンセルしたいです",
    "请问什么时候发货？",
    "أريد استرداد أموالي",
    "मुझे मदद चाहिए",
    "주문이 취소되었나요?",
    "https://example.org/a/b?c=d&e=f",
    "name@example.org wrote on 3 May: see below",
    "def f(x): return x + 1  # not a sentence",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "very " * 60 + "good",
    "The first half was slow, the second half was worse, and yet I would watch it again with a friend. " * 4,
    "one two three four five six seven eight nine ten " * 12,
    "The committee met on Tuesday and agreed to publish the figures for the third quarter next week.",
    "It rained all night, so the match was moved to the hall.",
    "null",
)
