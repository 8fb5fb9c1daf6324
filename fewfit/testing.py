"""Tiny random encoders, so that code around fewfit can be tested offline and in milliseconds."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

Architecture = Literal[
    "bert", "mpnet", "xlm-roberta", "roberta", "camembert", "distilbert", "modernbert", "albert", "electra"
]
Pooling = Literal["mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]

# These count positions from the padding id on.
_OFFSET_POSITIONS = frozenset({"mpnet", "xlm-roberta", "roberta", "camembert"})

# What the toy tokenizer learns its pieces from; any other text is read too, in smaller pieces.
_SENTENCES = (
    "the parcel has not arrived and nobody answers my message",
    "please send the invoice for the last order to my new address",
    "how do I change the password of my account",
    "the card was charged twice for one ticket",
    "what a lovely film with a warm and funny story",
    "the second half was slow and the ending made no sense",
    "it will rain in the north and the wind is getting stronger",
    "the team won the match in the last minute of the game",
)


def write_toy_base(
    folder: str | Path,
    architecture: Architecture = "bert",
    *,
    hidden: int = 32,
    layers: int = 4,
    heads: int = 4,
    max_tokens: int = 64,
    vocabulary: int = 400,
    pooling: Pooling | Sequence[Pooling] = "mean",
    normalize: bool = True,
    dense: int | None = None,
    prefix: str = "",
    plain: bool = False,
    texts: Iterable[str] = (),
    seed: int = 0,
) -> Path:
    """Write a tiny encoder with random weights into `folder`, which is made; returns the folder.

    It is a real model of its architecture in sentence-transformers format (with `plain`, in
    transformers format), so whatever takes a base takes its path: `Classifier(base=folder)`. The
    same arguments give the same weights. Its embeddings know nothing, but texts that share words
    have similar ones, so a classifier can be trained on it.

    `max_tokens` is the most that it reads, `dense` adds a linear layer of that width after pooling,
    `prefix` is put before every text, and `texts` are what its tokenizer learns its pieces from.
    Needs the train extra (torch and transformers).

    >>> from tempfile import mkdtemp
    >>> folder = write_toy_base(mkdtemp(), layers=2)
    >>> sorted(path.name for path in folder.iterdir())  # doctest: +NORMALIZE_WHITESPACE
    ['1_Pooling', 'config.json', 'config_sentence_transformers.json', 'model.safetensors',
     'modules.json', 'sentence_bert_config.json', 'tokenizer.json', 'tokenizer_config.json']
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(architecture, vocabulary, [*_SENTENCES, *texts])
    config = _config(architecture, tokenizer, hidden, layers, heads, max_tokens)
    _write_model(folder, config, seed)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": max_tokens,
            "cls_token": "<s>",
            "sep_token": "</s>",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "mask_token": "<mask>",
        },
    )
    if not plain:
        modes = [pooling] if isinstance(pooling, str) else list(pooling)
        _write_modules(folder, hidden, max_tokens, modes, normalize, dense, prefix, seed)
    return folder


def _tokenizer(architecture: str, vocabulary: int, texts: list[str]) -> tokenizers.Tokenizer:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    if architecture not in _OFFSET_POSITIONS:
        special[0], special[1] = special[1], special[0]  # BERT pads with id 0, RoBERTa with id 1
    tokenizer = tokenizers.Tokenizer(models.BPE(unk_token="<unk>"))  # noqa: S106 - a token of text
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")],
    )
    return tokenizer


def _config(
    architecture: str, tokenizer: tokenizers.Tokenizer, hidden: int, layers: int, heads: int, max_tokens: int
) -> Any:
    from transformers import AutoConfig

    pad_id = tokenizer.token_to_id("<pad>")
    assert pad_id is not None
    options: dict[str, Any] = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 2 * hidden,
        "max_position_embeddings": max_tokens + (pad_id + 1 if architecture in _OFFSET_POSITIONS else 0),
        "pad_token_id": pad_id,
        "bos_token_id": tokenizer.token_to_id("<s>"),
        "eos_token_id": tokenizer.token_to_id("</s>"),
        # Far above the usual 0.02: in a tiny model every layer should change what it is handed.
        "initializer_range": 0.2,
    }
    if architecture == "distilbert":
        options |= {"dim": hidden, "n_layers": layers, "n_heads": heads, "hidden_dim": 2 * hidden}
    elif architecture == "modernbert":
        options |= {
            "local_attention": 8,
            "global_attn_every_n_layers": 3,
            "cls_token_id": options["bos_token_id"],
        }
        options |= {"sep_token_id": options["eos_token_id"]}
    elif architecture in ("albert", "electra"):
        options["embedding_size"] = hidden // 2
    return AutoConfig.for_model(architecture, **options)


def _write_model(folder: Path, config: Any, seed: int) -> None:
    import torch
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("bias") or "norm" in name.lower():
                    parameter.add_(0.1 * torch.randn_like(parameter))
    model.config.save_pretrained(folder)
    _save(model.state_dict(), folder / "model.safetensors")


def _write_modules(
    folder: Path,
    hidden: int,
    max_tokens: int,
    modes: list[Pooling],
    normalize: bool,
    dense: int | None,
    prefix: str,
    seed: int,
) -> None:
    import torch

    kinds = ["Transformer", "Pooling"]
    keys = {
        "cls": "pooling_mode_cls_token",
        "max": "pooling_mode_max_tokens",
        "mean": "pooling_mode_mean_tokens",
        "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
        "weightedmean": "pooling_mode_weightedmean_tokens",
        "lasttoken": "pooling_mode_lasttoken",
    }
    pooling = {"word_embedding_dimension": hidden} | {key: mode in modes for mode, key in keys.items()}
    _write_json(folder / "1_Pooling" / "config.json", pooling)
    if dense is not None:
        width = hidden * len(modes)
        place = folder / f"{len(kinds)}_Dense"
        generator = torch.Generator().manual_seed(seed)
        _write_json(
            place / "config.json",
            {
                "in_features": width,
                "out_features": dense,
                "bias": True,
                "activation_function": "torch.nn.modules.activation.Tanh",
            },
        )
        weights = {
            "linear.weight": torch.randn(dense, width, generator=generator) / width**0.5,
            "linear.bias": 0.1 * torch.randn(dense, generator=generator),
        }
        _save(weights, place / "model.safetensors")
        kinds.append("Dense")
    if normalize:
        kinds.append("Normalize")
    modules = [
        {
            "idx": index,
            "name": str(index),
            "path": "" if index == 0 else f"{index}_{kind}",
            "type": f"sentence_transformers.models.{kind}",
        }
        for index, kind in enumerate(kinds)
    ]
    _write_json(folder / "modules.json", modules)
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})
    prompts = {"default_prompt_name": "query", "prompts": {"query": prefix}} if prefix else {"prompts": {}}
    _write_json(folder / "config_sentence_transformers.json", prompts)


def _save(weights: dict[str, Any], path: Path) -> None:
    from safetensors.torch import save_file

    path.parent.mkdir(exist_ok=True)
    # Some architectures use one tensor under two names, which safetensors refuses to write.
    save_file({name: value.clone().contiguous() for name, value in weights.items()}, path, {"format": "pt"})


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
