"""A pretrained encoder in memory: embeds texts, and splits into trunk and tail."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fewfit.encoders.block_model import block_model
from fewfit.encoders.config import EncoderConfig, read_config
from fewfit.encoders.lora import is_lora, merged
from fewfit.encoders.pooling import load_dense
from fewfit.encoders.quantize import without_smoothing
from fewfit.encoders.split import Tail, Trunk, parameters_of
from fewfit.encoders.tokenizing import Tokenizer, Truncate
from fewfit.encoders.weights import OnProgress, Weights, locate
from fewfit.encoders.windows import Windows, embed_windows
from fewfit.errors import ArtifactError, BaseError

Attention = Literal["auto", "eager", "sdpa"]

_WITH_POOLER = ("bert", "camembert", "mpnet", "roberta", "xlm-roberta")


class Encoder:
    """A pretrained encoder.

    >>> encoder = Encoder.load("english-small")  # doctest: +SKIP
    >>> encoder.embed(["hello", "good morning"]).shape  # doctest: +SKIP
    (2, 384)
    >>> trunk, tail = encoder.split(3)  # the upper 3 of 6 layers are the tail  # doctest: +SKIP
    """

    def __init__(
        self,
        model: Any,
        dense: nn.ModuleList,
        config: EncoderConfig,
        weights: Weights,
        tokenizer: Tokenizer,
        attention: Attention = "auto",
    ) -> None:
        self._model = model
        self._dense = dense
        self._attention = attention
        self.config = config
        self.weights = weights
        self.tokenizer = tokenizer

    @classmethod
    def load(
        cls,
        base: str | Path | Weights,
        *,
        device: str = "auto",
        attention: Attention = "auto",
        fetch: bool = True,
        on_progress: OnProgress | None = None,
    ) -> "Encoder":
        """The encoder of a base, given as to `locate`: a name, a Hugging Face id, a folder.

        `device` is a torch device; "auto" takes a GPU where there is one. `attention` is how
        transformers computes it: "auto" takes the faster one, "eager" and "sdpa" are for exporting and
        comparing. Raises BaseNotFoundError, DigestError or BaseError where the weights cannot be had or
        used.
        """
        weights = base if isinstance(base, Weights) else locate(base, fetch=fetch, on_progress=on_progress)
        config = read_config(weights)
        model = _load_model(weights, config, attention)
        dense = load_dense(weights.folder, config.dense)
        where = torch.device(_best_device() if device == "auto" else device)
        model.to(where)
        dense.to(where)
        return cls(model, dense, config, weights, Tokenizer.load(weights), attention)

    @property
    def device(self) -> torch.device:
        """Where the encoder computes."""
        device: torch.device = self._model.device
        return device

    @property
    def has_low_rank_form(self) -> bool:
        """Whether a tail can be kept and served as a low-rank change of the base's own (see `fewfit.encoders.lora`)."""
        return block_model(self.config, self._model.config) is not None

    def trunk(self, tail_layers: int) -> Trunk:
        """The trunk below a tail of so many layers, as `split` gives it, without making a tail."""
        config = self.config
        if not 0 <= tail_layers <= config.n_layers:
            raise ValueError(f"tail_layers is {tail_layers}; this base has {config.n_layers} layers.")
        if not config.splittable and 0 < tail_layers < config.n_layers:
            raise BaseError(
                f"A {config.architecture} encoder is not split between layers: its tail has 0 or all "
                f"{config.n_layers} layers, not {tail_layers}."
            )
        return Trunk(self._model, config, tail_layers)

    def split(self, tail_layers: int) -> tuple[Trunk, Tail]:
        """The trunk, which shares this encoder's weights, and a new tail of the upper `tail_layers`.

        0 leaves pooling alone to the tail; all layers leave only the embeddings to the trunk. An
        architecture that fewfit does not split takes 0 or all.
        """
        trunk = self.trunk(tail_layers)
        adapts = self._attention == "auto"
        return trunk, Tail(self._model, self._dense, self.config, tail_layers, adapts_attention=adapts)

    def tail_of(self, tail_layers: int, parameters: Mapping[str, NDArray[np.float32]]) -> Tail:
        """A tail with a model's parameters, low-rank or whole. Raises ArtifactError where they do not fit."""
        _, tail = self.split(tail_layers)
        parameters = without_smoothing(parameters)
        try:
            if is_lora(parameters):
                parameters = merged(parameters_of(tail), parameters, self.config.architecture)
            tail.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in parameters.items()})
        except KeyError as error:
            raise ArtifactError(f"The tail does not fit the base: it lacks {error}.") from error
        except (RuntimeError, ValueError) as error:
            raise ArtifactError(f"The tail does not fit the base: {error}") from error
        return tail

    def embed(
        self,
        texts: Sequence[str],
        *,
        batch_tokens: int | None = None,
        max_length: int | None = None,
        truncate: Truncate = "end",
        windows: int = 1,
    ) -> NDArray[np.float32]:
        """Sentence embeddings (n_texts, embedding_size), in the order of `texts`.

        A text of more than `max_length` tokens is read in up to `windows` windows, whose mean is its embedding.
        `batch_tokens` is the padded size of a batch (1,024 on a CPU, more on a GPU); it changes speed
        and memory, not the result.
        """
        encoded = Windows(self.tokenizer.windows(texts, most=windows, max_length=max_length, truncate=truncate))
        trunk, tail = self.split(0)
        tail.eval()

        def run(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
            with torch.inference_mode():
                attention_mask = torch.from_numpy(mask).to(self.device)
                hidden = trunk(torch.from_numpy(ids).to(self.device), attention_mask)
                return np.asarray(tail(hidden, attention_mask).cpu().numpy())

        return embed_windows(encoded, self.tokenizer, run, batch_tokens=batch_tokens or self._batch_tokens())

    def _batch_tokens(self) -> int:
        # MiniLM on one core, 5 to 60 words: 256 and 1,024 tokens 85 texts/s, 4,096 66, 16,384 45.
        return 1024 if self.device.type == "cpu" else 32_768


def _load_model(weights: Weights, config: EncoderConfig, attention: Attention) -> Any:
    from safetensors import SafetensorError
    from transformers import AutoModel

    options: dict[str, Any] = {"add_pooling_layer": False} if config.architecture in _WITH_POOLER else {}
    if attention != "auto":
        options["attn_implementation"] = attention
    try:
        # Building the modules draws random weights that are then overwritten: the caller's generator stays as it was.
        with _quiet_transformers(), torch.random.fork_rng(devices=[]):
            model, report = AutoModel.from_pretrained(
                weights.folder,
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
                **options,
            )
    except (ValueError, OSError, KeyError, RuntimeError, SafetensorError) as error:
        raise BaseError(f"{weights.folder} cannot be loaded as an encoder: {error}") from error
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if missing:
        some = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise BaseError(
            f"{weights.folder} lacks {len(missing)} weights of a {config.architecture} encoder: {some}. "
            "They would have been random numbers."
        )
    model.eval()
    model.requires_grad_(False)
    return model


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No progress bar and no table of unused weights (a pooler, a language model's head) while loading."""
    from transformers.utils import logging

    transformers_logging: Any = logging
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


def _best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
