"""Which base a name means, and the tokenizers of bases."""

import threading
from pathlib import Path

from fewfit.encoders.bases import known_bases
from fewfit.encoders.config import read_config
from fewfit.encoders.tokenizing import Tokenizer
from fewfit.encoders.weights import locate
from fewfit.errors import BaseError
from fewfit.service.errors import NotFoundError
from fewfit.service.records import BaseInfo
from fewfit.settings import Settings

_LONGEST_CONTEXT = 512


class Bases:
    """The bases that this server offers."""

    def __init__(self, settings: Settings) -> None:
        self._default = settings.default_base
        self._max_length = settings.max_length
        self._lock = threading.Lock()
        self._tokenizers: dict[str, Tokenizer] = {}

    def is_known(self, name: str) -> bool:
        """Whether a name is that of a base, not only of something that stands for the default."""
        return name in known_bases() or name == self.default_name

    @property
    def default_name(self) -> str:
        """What the default base is called to users; a folder by its last part."""
        return self._default if self._default in known_bases() else Path(self._default).name

    def resolve(self, name: str) -> str:
        """The base that a name means: a name of ours is itself, anything else the default base.

        Names of the retired service that say "english" or "multilingual" mean that base where its weights
        are on this machine. A path is never taken from a user.
        """
        if name in known_bases():
            return name
        lowered = name.lower()
        for word in ("multilingual", "english"):
            if lowered.startswith(("embed-", f"{word}-")) and word in lowered and self._is_here(word):
                return word
        return self._default

    def infos(self) -> tuple[BaseInfo, ...]:
        """Every base, the default one first."""
        infos = []
        for base in known_bases().values():
            summary = base.summary.partition("; the default")[0]  # of the command line; this server may have another
            summary += "; the default" if base.name == self.default_name else ""
            infos.append(BaseInfo(base.name, summary, self.context_length(base.name)))
        if self._default not in known_bases():
            length = self.context_length(self._default)
            infos.insert(0, BaseInfo(self.default_name, "the default base of this server", length))
        return tuple(sorted(infos, key=lambda info: info.name != self.default_name))

    def tokenizer(self, base: str, *, fetch: bool = True) -> Tokenizer:
        """The tokenizer of a resolved base. Raises BaseError where its weights cannot be had."""
        with self._lock:
            if base not in self._tokenizers:
                self._tokenizers[base] = Tokenizer.load(locate(base, fetch=fetch))
            return self._tokenizers[base]

    def local_tokenizer(self, base: str) -> Tokenizer | None:
        """The tokenizer of a base whose weights are on this machine; None otherwise."""
        try:
            return self.tokenizer(base, fetch=False)
        except BaseError:
            return None

    def find(self, name: str) -> str:
        """The base with exactly this name. Raises NotFoundError."""
        if not self.is_known(name):
            raise NotFoundError(f"There is no model {name!r}.")
        return name if name in known_bases() else self._default

    def context_length(self, base: str) -> int:
        """How many tokens of a text are read: as many as the server is told to, else as the base does by default."""
        if self._max_length:
            return self._max_length
        known = known_bases().get(base)
        if known is not None:
            return known.max_length or _LONGEST_CONTEXT
        try:
            return read_config(locate(base, fetch=False)).max_length
        except BaseError:
            return _LONGEST_CONTEXT

    def _is_here(self, base: str) -> bool:
        try:
            locate(base, fetch=False)
        except BaseError:
            return False
        return True
