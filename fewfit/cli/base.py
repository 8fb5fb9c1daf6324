"""What the commands need to know of a base before training: its weights, its tokens, its limits."""

from dataclasses import dataclass
from pathlib import Path

from fewfit.cli.console import fetch_progress
from fewfit.encoders.config import read_config
from fewfit.encoders.tokenizing import Tokenizer
from fewfit.encoders.weights import Weights, locate
from fewfit.errors import BaseNotFoundError, InputError


@dataclass(frozen=True)
class Reader:
    """How a base reads texts: its tokenizer, and how many tokens of a text are read."""

    weights: Weights
    tokenizer: Tokenizer
    max_length: int


def open_base(base: str, max_length: int | None, *, quiet: bool) -> Reader:
    """The base, fetched if need be. Raises InputError for a length that it cannot read."""
    with fetch_progress(quiet=quiet) as on_progress:
        weights = locate(base_argument(base), on_progress=on_progress)
    return _reader(weights, max_length)


def open_base_here(base: str, max_length: int | None) -> Reader | None:
    """The base, or what stands in for it, if it is on this machine; nothing is fetched."""
    try:
        weights = locate(base_argument(base), fetch=False)
    except BaseNotFoundError:
        return None
    return _reader(weights, max_length)


def base_argument(base: str) -> str | Path:
    """A base as it was typed: a name or Hugging Face id stays one, a path becomes one."""
    looks_like_path = base.startswith((".", "~", "/")) or base.endswith("/") or "\\" in base
    return Path(base).expanduser() if looks_like_path else base


def _reader(weights: Weights, max_length: int | None) -> Reader:
    config = read_config(weights)
    if max_length is not None and max_length > config.max_positions:
        raise InputError(
            f"--max-length is {max_length}; the base {weights.name} reads at most {config.max_positions} tokens."
        )
    tokenizer = Tokenizer.load(weights)
    # The special tokens and the prefix take their part; at least one token of the text must fit.
    least = int(tokenizer.count(["a"])[0])
    if max_length is not None and max_length < least:
        raise InputError(f"--max-length is {max_length}; expected at least {least}, or nothing of a text is read.")
    return Reader(weights, tokenizer, config.max_length if max_length is None else max_length)
