"""An encoder in two: the frozen trunk that models share, and the tail that belongs to one model."""

import copy
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers.masking_utils import create_bidirectional_mask, create_bidirectional_sliding_window_mask

from fewfit.encoders.config import EncoderConfig
from fewfit.encoders.pooling import pool

_SHORT_TOKENS = 128


def parameters_of(part: nn.Module) -> dict[str, NDArray[np.float32]]:
    """The parameters of a trunk or a tail by name, in float32."""
    return {name: tensor.detach().cpu().float().numpy() for name, tensor in part.state_dict().items()}


class Layers(nn.Module):
    """Consecutive layers of an encoder, with what each of them is handed: mask, position bias, angles.

    Built from the parts of a transformers model, which it shares.
    """

    def __init__(self, model: Any, architecture: str, start: int, stop: int) -> None:
        super().__init__()
        self.architecture = architecture
        self.config = model.config
        self.adapts_attention = False  # only where the configuration is a copy of our own
        self.layers = nn.ModuleList(_layers_of(model, architecture)[start:stop])
        if architecture == "mpnet":
            # The bias of relative positions hangs on the encoder, not on a layer.
            self.positions = copy.copy(model.encoder)
            self.positions._modules = {"relative_attention_bias": model.encoder.relative_attention_bias}
        elif architecture == "modernbert":
            self.rotary = model.rotary_emb

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """(batch, seq, hidden) through the layers; padded positions influence no other."""
        if not self.layers:
            return hidden
        if self.adapts_attention:
            self.config._attn_implementation = _fastest_attention(hidden)
        if self.architecture == "modernbert":
            return self._forward_modernbert(hidden, attention_mask)
        mask = self._mask(create_bidirectional_mask, hidden, attention_mask)
        if self.architecture == "mpnet":
            bias = self.positions.compute_position_bias(hidden)
            for layer in self.layers:
                hidden = _hidden(layer(hidden, mask, bias))
        else:
            for layer in self.layers:
                hidden = _hidden(layer(hidden, mask))
        return hidden

    def _forward_modernbert(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        makers = {
            "full_attention": create_bidirectional_mask,
            "sliding_attention": create_bidirectional_sliding_window_mask,
        }
        positions = torch.arange(hidden.shape[1], device=hidden.device).unsqueeze(0)
        kinds = sorted({str(layer.attention_type) for layer in self.layers})
        masks = {kind: self._mask(makers[kind], hidden, attention_mask) for kind in kinds}
        angles = {kind: self.rotary(hidden, positions, kind) for kind in kinds}
        for layer in self.layers:
            kind = str(layer.attention_type)
            hidden = _hidden(layer(hidden, attention_mask=masks[kind], position_embeddings=angles[kind]))
        return hidden

    def _mask(self, maker: Any, hidden: Tensor, attention_mask: Tensor) -> Any:
        # With the skip, a batch without padding gets no mask, and a graph exported from it never has one.
        return maker(
            config=self.config,
            inputs_embeds=hidden,
            attention_mask=attention_mask,
            allow_is_bidirectional_skip=False,
        )


class WholeModel(nn.Module):
    """All layers of an architecture that is not split: the transformers model, fed token vectors."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Token embeddings (batch, seq, any) to the last layer's output (batch, seq, hidden)."""
        return _hidden(self.model(inputs_embeds=hidden, attention_mask=attention_mask))


class Trunk(nn.Module):
    """Embeddings and lower layers, frozen: the same for every model on a base, and never in training mode.

    Shares its weights with the encoder that it was split from.
    """

    def __init__(self, model: Any, config: EncoderConfig, tail_layers: int) -> None:
        super().__init__()
        self.tail_layers = tail_layers
        lower = config.n_layers - tail_layers
        if config.splittable:
            self.embeddings: nn.Module = model.embeddings
            self.body: nn.Module | None = Layers(model, config.architecture, 0, lower)
        else:
            self.embeddings = model.get_input_embeddings()
            self.body = WholeModel(model) if lower else None
        # Only the last layer's output is normed, so a trunk has no final norm unless it is everything.
        self.final_norm = _final_norm(model) if tail_layers == 0 and config.splittable else None
        self.requires_grad_(False)
        super().train(False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Ids and mask (batch, seq), padded at the end, to (batch, seq, hidden)."""
        hidden: Tensor = self.embeddings(input_ids)
        if self.body is not None:
            hidden = self.body(hidden, attention_mask)
        return hidden if self.final_norm is None else self.final_norm(hidden)

    def train(self, mode: bool = True) -> Self:
        """Does nothing: a trunk has no dropout, so that its output depends on the text alone."""
        return self


class Tail(nn.Module):
    """The upper layers, pooling and normalisation: an independent, trainable copy.

    `tail_layers` may be 0, for pooling alone.
    """

    def __init__(
        self,
        model: Any,
        dense: nn.ModuleList,
        config: EncoderConfig,
        tail_layers: int,
        *,
        adapts_attention: bool = False,
    ) -> None:
        super().__init__()
        self.config = config
        self.tail_layers = tail_layers
        self.body: nn.Module | None = None
        if tail_layers:
            lower = config.n_layers - tail_layers
            self.body = copy.deepcopy(
                Layers(model, config.architecture, lower, config.n_layers) if config.splittable else WholeModel(model)
            )
            if isinstance(self.body, Layers):
                self.body.adapts_attention = adapts_attention and model._supports_sdpa
        self.final_norm = copy.deepcopy(_final_norm(model)) if tail_layers and config.splittable else None
        self.dense = copy.deepcopy(dense)
        self.requires_grad_(True)

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """The trunk's output (batch, seq, hidden) and the same mask to embeddings (batch, embedding)."""
        if self.body is not None:
            hidden = self.body(hidden.to(self._dtype()), attention_mask)
        if self.final_norm is not None:
            hidden = self.final_norm(hidden)
        embeddings = pool(hidden.float(), attention_mask, self.config.pooling)
        for layer in self.dense:
            embeddings = layer(embeddings)
        return nn.functional.normalize(embeddings, dim=-1) if self.config.normalize else embeddings

    def set_dropout(self, probability: float) -> None:
        """Drop this share of values in the tail while it is in training mode (0 for none)."""
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.p = probability
            elif isinstance(getattr(module, "attention_dropout", None), float):
                module.attention_dropout = probability  # type: ignore[assignment]

    def _dtype(self) -> torch.dtype:
        return next((p.dtype for p in self.parameters()), torch.float32)


def _fastest_attention(hidden: Tensor) -> str:
    """Which of transformers' implementations is faster for this batch (both compute the same).

    MiniLM's tail on one AVX-512 core under bf16, seconds a training step, eager and sdpa: 32 texts of
    46 tokens 0.36 and 0.50, 16 of 128 0.51 and 0.63, 8 of 512 2.6 and 1.5. Without gradients, sdpa is
    never slower.
    """
    if torch.is_grad_enabled() and hidden.device.type == "cpu" and hidden.shape[1] <= _SHORT_TOKENS:
        return "eager"
    return "sdpa"


def _layers_of(model: Any, architecture: str) -> Any:
    if architecture == "modernbert":
        return model.layers
    if architecture == "distilbert":
        return model.transformer.layer
    return model.encoder.layer


def _final_norm(model: Any) -> nn.Module | None:
    norm: nn.Module | None = getattr(model, "final_norm", None)
    return norm


def _hidden(output: Any) -> Tensor:
    """What a layer or a model returns, whether bare, in a tuple or in an output object."""
    if isinstance(output, Tensor):
        return output
    first: Tensor = output[0]
    return first
