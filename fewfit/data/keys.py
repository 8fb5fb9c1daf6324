"""When two texts are the same text."""

import unicodedata
from collections.abc import Iterable


def text_key(text: str) -> str:
    r"""What is equal for texts that differ only in case, white space or the way accents are encoded.

    >>> text_key("  Where is\tmy CARD? ") == text_key("where is my card?")
    True
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def label_key(label: str) -> str:
    r"""What is equal for labels that differ only in case, white space (also between words) or what cannot be seen.

    >>> label_key("Lost Card") == label_key("lost  card") == label_key("lostcard\u200b")
    True
    """
    seen = label if label.isascii() else "".join(c for c in label if not _is_unseen(c))
    return "".join(unicodedata.normalize("NFC", seen).casefold().split())


def _is_unseen(character: str) -> bool:
    """Whether a character shows in no way: not so what joins emoji, and what makes flags of regions."""
    return unicodedata.category(character) == "Cf" and character not in "\u200c\u200d" and character < "\U000e0000"


def new_texts(texts: Iterable[str], known: Iterable[str]) -> list[str]:
    """Each text once, in order, without empty ones and without those that are known."""
    seen = {text_key(""), *map(text_key, known)}
    found = []
    for text in texts:
        key = text_key(text)
        if key not in seen:
            seen.add(key)
            found.append(text)
    return found
