"""Examples for the journeys, made from words that tell the labels apart, so that even a random encoder learns them."""

import csv
import io
import json
from itertools import product

_WORDS = {
    "billing": ("invoice", "refund", "card", "charged", "payment", "price"),
    "delivery": ("parcel", "courier", "late", "shipping", "tracking", "doorstep"),
    "account": ("password", "login", "email", "profile", "username", "locked"),
}
_FRAMES = ("{0} {1}", "my {1}, {0}", "{0} and {1}?", "{1}: {0} {1}")

# What the models are asked; each has words of its label only.
QUESTIONS = {
    "billing": "refund card invoice, payment",
    "delivery": "courier late, parcel tracking",
    "account": "password login, username locked",
}
LABELS = tuple(sorted(_WORDS))


def single(per_label: int = 20) -> list[tuple[str, str]]:
    """Texts with one label."""
    return [(text, label) for label in LABELS for text in _texts(label)[:per_label]]


def multi(per_label: int = 12) -> list[tuple[str, list[str]]]:
    """Texts with one, two or no labels."""
    rows: list[tuple[str, list[str]]] = [(text, [label]) for label in LABELS for text in _texts(label)[:per_label]]
    pairs = (("account", "billing"), ("billing", "delivery"))
    for first, second in pairs:
        joined = zip(_texts(first)[per_label:], _texts(second)[per_label:], strict=True)
        rows += [(f"{one}. {two}", [first, second]) for one, two in list(joined)[:6]]
    return [*rows, *((f"hello number {number}, thanks and a good day", []) for number in range(4))]


def as_csv(rows: list[tuple[str, str]], *, delimiter: str = ",", line_end: str = "\n") -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=line_end)
    writer.writerows([("text", "label"), *rows])
    return file.getvalue().encode()


def as_jsonl(rows: list[tuple[str, str]] | list[tuple[str, list[str]]]) -> bytes:
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows).encode()


def _texts(label: str) -> list[str]:
    words = _WORDS[label]
    return [frame.format(first, second) for frame, (first, second) in product(_FRAMES, product(words[:3], words[3:]))]
