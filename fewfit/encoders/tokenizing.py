"""Texts to token ids, without torch and without transformers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import normalizers, pre_tokenizers

from fewfit.encoders.config import EncoderConfig, read_config
from fewfit.encoders.weights import Weights
from fewfit.errors import BaseError, InputError

Truncate = Literal["end", "start", "none"]

_PROBE = "a"

# A text of more characters for every token that is read is first tokenized in part; English has four or five.
_CHARACTERS_A_TOKEN = 8

# What changes a word in the same way whatever words stand around it.
_NORMALIZERS_BY_WORD = (
    normalizers.BertNormalizer,
    normalizers.Lowercase,
    normalizers.StripAccents,
    normalizers.NFC,
    normalizers.NFD,
    normalizers.NFKC,
    normalizers.NFKD,
    normalizers.Precompiled,
)
_ONE_SPACE = str(normalizers.Replace(tokenizers.Regex(" {2,}"), " "))


class Tokenizer:
    """Turns texts into the ids that a base reads: prefix first, special tokens around.

    White space at either end of a text counts for nothing.

    >>> tokenizer = Tokenizer.load(locate("english-small"))  # doctest: +SKIP
    >>> tokenizer.encode(["hello world"])  # doctest: +SKIP
    [[101, 7592, 2088, 102]]

    `threads=1` keeps to the calling thread; None lets the tokenizers library use every core.
    """

    def __init__(self, definition: str, config: EncoderConfig, *, threads: Literal[1] | None = 1) -> None:
        self._tokenizer = tokenizers.Tokenizer.from_str(definition)
        # Some folders ship a tokenizer that cuts at 128 tokens and pads to them.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._by_word = _reads_by_word(self._tokenizer)
        self.config = config
        self.threads = threads
        self._head, self._tail = self._special_ids()
        self._prefix_ids: list[int] = []
        if config.prefix:
            self._prefix_ids = self._tokenizer.encode(config.prefix.rstrip(), add_special_tokens=False).ids

    @classmethod
    def load(cls, weights: Weights, *, threads: Literal[1] | None = 1) -> "Tokenizer":
        """The tokenizer of a base. Raises BaseError when its folder has none that can be read."""
        return cls(_definition(weights.folder), read_config(weights), threads=threads)

    def to_json(self) -> str:
        """The tokenizer as the content of a tokenizer.json."""
        return self._tokenizer.to_str()

    @property
    def n_special(self) -> int:
        """How many tokens of every text are special ones."""
        return len(self._head) + len(self._tail)

    @property
    def special_ids(self) -> tuple[list[int], list[int]]:
        """The special tokens before and after every text."""
        return self._head, self._tail

    def encode(
        self, texts: Sequence[str], *, max_length: int | None = None, truncate: Truncate = "end"
    ) -> list[list[int]]:
        """The ids of each text, special tokens and prefix included, without padding.

        A text of more than `max_length` tokens (the base's own limit by default, at most what its
        positions allow) loses its end, or with truncate="start" its beginning; the prefix and the
        special tokens stay. truncate="none" raises InputError for such a text instead.
        """
        return [ids for (ids,) in self.windows(texts, most=1, max_length=max_length, truncate=truncate)]

    def windows(
        self, texts: Sequence[str], *, most: int, max_length: int | None = None, truncate: Truncate = "end"
    ) -> list[list[list[int]]]:
        """The ids of each text in as many windows as it needs, each as `encode` gives a text, at most `most` of them.

        The first window is what `encode` reads of the text, the others go on where the one before ends. A text
        that needs more than `most` windows is cut, or raises InputError, as `encode` does it beyond `max_length`.
        """
        limit = self.limit(max_length)
        room = limit - self.n_special
        _check(texts)
        read = self._content_ids(texts) if truncate == "none" else self._read_ids(texts, most * room, truncate)
        encoded = []
        for row, ids in enumerate(read):
            parts = [ids]
            if len(ids) > room:
                prefix = self._prefix_of(ids)
                step = room - len(prefix)
                if len(ids) - len(prefix) > most * step and truncate == "none":
                    at_most = self.n_special + len(prefix) + most * step
                    raise InputError(
                        f"Text {row + 1} has {len(ids) + self.n_special} tokens; at most {at_most} are read. "
                        "Shorten it, or let it be cut at the end or the start."
                    )
                content = ids[len(prefix) :][: most * step] if truncate == "end" else ids[len(prefix) :][-most * step :]
                parts = [[*prefix, *content[start : start + step]] for start in range(0, len(content), step)]
            encoded.append([[*self._head, *part, *self._tail] for part in parts])
        return encoded

    def count(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """How many tokens each text has before anything is cut, special tokens and prefix included."""
        _check(texts)
        lengths = [len(ids) for ids in self._content_ids(texts)]
        return np.asarray(lengths, dtype=np.int64) + self.n_special

    def pad(self, encoded: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids and attention mask (1 for a token, 0 for padding), both (n_texts, longest)."""
        longest = max((len(ids) for ids in encoded), default=0)
        ids = np.full((len(encoded), longest), self.config.pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(encoded):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return ids, mask

    def limit(self, max_length: int | None = None) -> int:
        """How many tokens of a text are read at once. Raises InputError for a number that the base cannot read."""
        limit = self.config.max_length if max_length is None else max_length
        least = self.n_special + len(self._prefix_ids) + 1
        if not least <= limit <= self.config.max_positions:
            raise InputError(
                f"max_length is {limit}; this base reads {least} to {self.config.max_positions} tokens "
                "(special tokens and prefix included)."
            )
        return limit

    def _read_ids(self, texts: Sequence[str], most: int, truncate: Truncate) -> list[list[int]]:
        """What `_content_ids` gives; of a text of more than `most` tokens, perhaps only `most` or more at the end kept.

        Where words are tokenized each by itself, a text of any length so costs no more than what is read of it.
        """
        characters = _CHARACTERS_A_TOKEN * most
        long = [row for row, text in enumerate(texts) if len(text) > characters]
        if not (self._by_word and long):
            return self._content_ids(texts)
        parts = list(texts)
        for row in long:
            parts[row] = _whole_words(texts[row], characters, truncate)
        read = self._content_ids(parts)
        short = [row for row in long if len(read[row]) <= most]  # long words, or none between spaces
        for row, ids in zip(short, self._content_ids([texts[row] for row in short]), strict=True):
            read[row] = ids
        return read

    def _content_ids(self, texts: Sequence[str]) -> list[list[int]]:
        prefix = self.config.prefix
        # To some tokenizers a space at the end is a token.
        whole = [(prefix + text).strip() for text in texts]
        if self.threads == 1:
            # encode() stays on this thread; encode_batch() starts a pool of its own.
            return [self._tokenizer.encode(text, add_special_tokens=False).ids for text in whole]
        batch = self._tokenizer.encode_batch_fast(whole, add_special_tokens=False)
        return [encoding.ids for encoding in batch]

    def _prefix_of(self, ids: list[int]) -> list[int]:
        """The tokens of the prefix that a text begins with: all of them, unless its first word ran into the last."""
        kept = 0
        while kept < len(self._prefix_ids) and ids[kept] == self._prefix_ids[kept]:
            kept += 1
        return ids[:kept]

    def _special_ids(self) -> tuple[list[int], list[int]]:
        encoding = self._tokenizer.encode(_PROBE)
        special = encoding.special_tokens_mask
        first = special.index(0) if 0 in special else len(special)
        last = len(special) - special[::-1].index(0) if 0 in special else len(special)
        return encoding.ids[:first], encoding.ids[last:]


def _reads_by_word(tokenizer: tokenizers.Tokenizer) -> bool:
    """Whether the tokens of a word between spaces are the same whatever stands before and behind it."""
    normalizer, words = tokenizer.normalizer, tokenizer.pre_tokenizer
    steps = list(cast("Any", normalizer)) if isinstance(normalizer, normalizers.Sequence) else [normalizer]
    if not all(step is None or isinstance(step, _NORMALIZERS_BY_WORD) or str(step) == _ONE_SPACE for step in steps):
        return False
    if isinstance(words, pre_tokenizers.Metaspace):
        return words.split and words.prepend_scheme != "never"
    if isinstance(words, pre_tokenizers.ByteLevel):
        return words.use_regex and words.add_prefix_space
    return isinstance(words, pre_tokenizers.BertPreTokenizer)


def _whole_words(text: str, characters: int, truncate: Truncate) -> str:
    """The words within the first (or, with truncate="start", the last) so many characters of a longer text."""
    if truncate == "start":
        return text[text.find(" ", len(text) - characters) + 1 :]
    return text[: max(0, text.rfind(" ", 0, characters))]


def _check(texts: Sequence[object]) -> None:
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"Text {row + 1} is {text!r} ({type(text).__name__}); expected a string.")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"Text {row + 1} is not valid Unicode: character {error.start + 1} is half of a surrogate pair "
                f"(U+{ord(text[error.start]):04X}). Read the source again with the encoding that it has."
            ) from None


def _definition(folder: Path) -> str:
    path = folder / "tokenizer.json"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    # transformers makes an empty tokenizer where there is nothing to make one from.
    if not any(child.stem == "vocab" or child.suffix == ".model" for child in folder.iterdir()):
        raise BaseError(f"{folder} has no tokenizer.json and no vocabulary; its texts cannot be read as tokens.")
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise BaseError(
            f"{folder} has no tokenizer.json. Install fewfit[train], which makes it, or make it elsewhere: "
            "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
        ) from None
    slow: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not getattr(slow, "is_fast", False):
        raise BaseError(f"{folder} has no tokenizer.json, and its tokenizer cannot be written as one.")
    return str(slow.backend_tokenizer.to_str())
