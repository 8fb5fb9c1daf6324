"""Texts to tokens and back, as a base reads them; without special tokens and prefix."""

import threading
from collections.abc import Sequence

import tokenizers

from fewfit.errors import InputError
from fewfit.service.errors import NotFoundError
from fewfit.service.models.bases import Bases
from fewfit.service.models.models import Models
from fewfit.service.records import Caller, Tokens

_MOST = 65_536


class Tokenizing:
    """Tokenizes for users who count or cut their texts."""

    def __init__(self, models: Models, bases: Bases) -> None:
        self._models = models
        self._bases = bases
        self._tokenizers: dict[str, tokenizers.Tokenizer] = {}
        self._lock = threading.Lock()

    def tokenize(self, caller: Caller, text: str, model: str) -> Tokens:
        """A text as a model or base reads it (any scope). Raises NotFoundError for an unknown model."""
        tokenizer = self._tokenizer(self._base_of(caller, model))
        if not 1 <= len(text) <= _MOST:
            raise InputError(f"The text has {len(text):,} characters; expected 1 to {_MOST:,}.")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError("The text is not valid Unicode: it has half of a surrogate pair.") from None
        encoding = tokenizer.encode(text, add_special_tokens=False)
        return Tokens(tuple(encoding.ids), tuple(encoding.tokens))

    def detokenize(self, caller: Caller, token_ids: Sequence[int], model: str) -> str:
        """The text of token ids (any scope). Raises NotFoundError, or InputError for ids out of range."""
        tokenizer = self._tokenizer(self._base_of(caller, model))
        if not 1 <= len(token_ids) <= _MOST:
            raise InputError(f"There are {len(token_ids):,} tokens; expected 1 to {_MOST:,}.")
        size = tokenizer.get_vocab_size()
        for place, token in enumerate(token_ids):
            if not 0 <= token < size:
                raise InputError(f"tokens[{place}] is {token}; this model's tokens are 0 to {size - 1:,}.")
        return str(tokenizer.decode(list(token_ids), skip_special_tokens=False))

    def _base_of(self, caller: Caller, model: str) -> str:
        if self._bases.is_known(model):
            return self._bases.find(model)
        try:
            return self._models.base_of(caller.organization_id, model)
        except NotFoundError:
            # Code for the retired service tokenizes with the names of its embedding models.
            if model.startswith("embed-"):
                return self._bases.resolve(model)
            raise

    def _tokenizer(self, base: str) -> tokenizers.Tokenizer:
        with self._lock:
            if base not in self._tokenizers:
                self._tokenizers[base] = tokenizers.Tokenizer.from_str(self._bases.tokenizer(base).to_json())
            return self._tokenizers[base]
