"""What the parts of a layer are called in the encoders that are alike: BERT and its kin."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerNames:
    """What the parts of a layer are called."""

    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    out: str = "attention.output.dense"
    first_norm: str = "attention.output.LayerNorm"
    up: str = "intermediate.dense"
    down: str = "output.dense"
    second_norm: str = "output.LayerNorm"


_BERT = LayerNames()
LAYER_NAMES: dict[str, LayerNames] = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "mpnet": LayerNames(
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        out="attention.attn.o",
        first_norm="attention.LayerNorm",
    ),
    "distilbert": LayerNames(
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        out="attention.out_lin",
        first_norm="sa_layer_norm",
        up="ffn.lin1",
        down="ffn.lin2",
        second_norm="output_layer_norm",
    ),
}
