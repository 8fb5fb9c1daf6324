"""Labelled texts that even models on a random encoder judge well without having seen them."""

from fewfit.data import Example

_WORDS = {"parcel": "parcel driver delivery", "card": "card charge refused", "film": "film ending funny"}
_MORE = ("again today", "please", "and nobody answers", "as always", "since monday", "for my friend", "in the north",
         "with a message", "at last", "before the match", "once more", "on the way", "as agreed", "without a word",
         "in time", "next to the house")  # fmt: skip


def clear_examples() -> tuple[Example, ...]:
    """48 examples of 3 labels, rows from 2 on; no two texts are the same."""
    rows = [(f"{words} {words} {more}", label) for label, words in _WORDS.items() for more in _MORE]
    return tuple(Example(text, (label,), row) for row, (text, label) in enumerate(rows, 2))
