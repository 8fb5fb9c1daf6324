"""BERT and its kin, which are so alike that their graphs can be written down and their attention changed by name."""

from dataclasses import dataclass
from typing import Any

from fewfit.encoders.config import EncoderConfig
from fewfit.encoders.layer_names import LAYER_NAMES


@dataclass(frozen=True)
class BlockModel:
    """What the graphs depend on. `eps` is what layer norms add to the variance."""

    config: EncoderConfig
    heads: int
    intermediate: int
    eps: float
    positions: int  # rows of the position table
    token_types: int  # rows of the token type table, 0 where there is none
    buckets: int  # of relative positions, 0 where there are none


def block_model(config: EncoderConfig, model: Any) -> BlockModel | None:
    """What `model`, a transformers configuration, says; None where these graphs do not fit it."""
    activation = getattr(model, "hidden_act", None) or getattr(model, "activation", None)
    plain = getattr(model, "position_embedding_type", "absolute") == "absolute"
    simple = len(config.pooling) == 1 and config.pooling[0] in ("mean", "cls") and not config.dense
    if config.architecture not in LAYER_NAMES or activation != "gelu" or not plain or not simple:
        return None
    distil = config.architecture == "distilbert"
    return BlockModel(
        config=config,
        heads=model.n_heads if distil else model.num_attention_heads,
        intermediate=model.hidden_dim if distil else model.intermediate_size,
        eps=1e-12 if distil else model.layer_norm_eps,
        positions=model.max_position_embeddings,
        token_types=0 if config.architecture in ("distilbert", "mpnet") else model.type_vocab_size,
        buckets=model.relative_attention_num_buckets if config.architecture == "mpnet" else 0,
    )
