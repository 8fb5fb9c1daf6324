"""Token vectors to one sentence embedding."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fewfit.encoders.config import DenseLayer
from fewfit.errors import BaseError


def pool(hidden: Tensor, attention_mask: Tensor, modes: Sequence[str]) -> Tensor:
    """Token vectors (batch, seq, hidden) to (batch, hidden × modes); padding counts for nothing.

    Several modes are put side by side, in the order given. Texts are padded at their end.
    """
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)  # (batch, seq, 1)
    return torch.cat([_pool(hidden, mask, mode) for mode in modes], dim=-1)


def _pool(hidden: Tensor, mask: Tensor, mode: str) -> Tensor:
    n_tokens = mask.sum(dim=1).clamp(min=1.0)  # (batch, 1)
    if mode == "mean":
        return (hidden * mask).sum(dim=1) / n_tokens
    if mode == "cls":
        return hidden[:, 0]
    if mode == "max":
        return hidden.masked_fill(mask == 0, torch.finfo(hidden.dtype).min).amax(dim=1)
    if mode == "mean_sqrt_len_tokens":
        return (hidden * mask).sum(dim=1) / n_tokens.sqrt()
    if mode == "weightedmean":
        weights = mask * mask.cumsum(dim=1)  # a token weighs as much as its place: 1, 2, 3 …
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
    if mode == "lasttoken":
        last = (n_tokens - 1).long().unsqueeze(-1).expand(-1, 1, hidden.shape[-1])
        return hidden.gather(1, last).squeeze(1)
    raise BaseError(f"There is no pooling {mode!r}.")


class Dense(nn.Module):
    """A linear layer and its activation, as some sentence-transformers models have after pooling."""

    def __init__(self, layer: DenseLayer) -> None:
        super().__init__()
        self.linear = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias)
        activation = getattr(nn, layer.activation, None)
        if not (isinstance(activation, type) and issubclass(activation, nn.Module)):
            raise BaseError(
                f"The dense layer {layer.folder} has the activation {layer.activation!r}; expected one of torch.nn."
            )
        self.activation: nn.Module = activation()

    def forward(self, embeddings: Tensor) -> Tensor:
        """(batch, in) to (batch, out)."""
        return self.activation(self.linear(embeddings))  # type: ignore[no-any-return]


def load_dense(folder: Path, layers: Sequence[DenseLayer]) -> nn.ModuleList:
    """The dense layers of a base, with their weights. Raises BaseError when the weights are missing."""
    modules = nn.ModuleList()
    for layer in layers:
        path = folder / layer.folder / "model.safetensors"
        if not path.is_file():
            raise BaseError(f"{path} is missing: the dense layer's weights must be safetensors.")
        dense = Dense(layer)
        dense.load_state_dict(load_file(path))
        modules.append(dense)
    return modules
