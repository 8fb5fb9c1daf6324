"""What an encoder is, read from its folder without torch."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fewfit.encoders.bases import Base
from fewfit.encoders.weights import Weights
from fewfit.errors import BaseError

POSITION_LIMIT = 512  # tokens: a model reads no more, whatever its encoder could
SPLITTABLE = ("bert", "camembert", "distilbert", "modernbert", "mpnet", "roberta", "xlm-roberta")
POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")

_LEGACY_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
# These count positions from the padding id on, so that two of 514 are never used.
_OFFSET_POSITIONS = ("camembert", "mpnet", "roberta", "xlm-roberta")
_DEFAULT_PAD_IDS = {"camembert": 1, "mpnet": 1, "roberta": 1, "xlm-roberta": 1, "modernbert": 50283}
_UNLIMITED = 1_000_000  # tokenizers write 1e30 where they set no limit


@dataclass(frozen=True)
class DenseLayer:
    """A linear layer that follows pooling in some sentence-transformers models.

    `folder` is relative to the base's folder and holds the weights; `activation` is a class name of
    torch.nn.
    """

    folder: str
    in_features: int
    out_features: int
    bias: bool
    activation: str


@dataclass(frozen=True)
class EncoderConfig:
    """What an encoder is: its shape, how token vectors become a sentence embedding, what it reads.

    `max_length` (tokens, special ones included) is how much is read unless the caller says
    otherwise; `max_positions`, at most 512, is the most that can be. `hidden_size` is the width of
    the layers, `embedding_size` that of a sentence embedding.
    """

    architecture: str
    n_layers: int
    hidden_size: int
    embedding_size: int
    vocab_size: int
    pad_id: int
    max_positions: int
    max_length: int
    pooling: tuple[str, ...]
    normalize: bool
    prefix: str
    dense: tuple[DenseLayer, ...] = ()

    @property
    def splittable(self) -> bool:
        """Whether the encoder can be split between any two layers; others are tuned whole."""
        return self.architecture in SPLITTABLE


def read_config(weights: Weights) -> EncoderConfig:
    """The configuration of a base. Raises BaseError when a part of the folder is not supported."""
    config = _from_folder(weights.folder)
    base = weights.base
    return _as_registered(config, base) if base else config


def _as_registered(config: EncoderConfig, base: Base) -> EncoderConfig:
    """Prefix, pooling and length of a known base, whose folder may be a bare transformers one."""
    return replace(
        config,
        pooling=base.pooling,
        normalize=base.normalize,
        prefix=base.prefix,
        max_length=min(base.max_length or config.max_length, config.max_positions),
    )


def _from_folder(folder: Path) -> EncoderConfig:
    model = _read_json(folder / "config.json")
    architecture = model.get("model_type")
    if not isinstance(architecture, str):
        raise BaseError(f"{folder / 'config.json'} has no model_type, so the architecture is not known.")
    if model.get("is_encoder_decoder"):
        raise BaseError(f"{folder} is an encoder-decoder ({architecture}); fewfit needs an encoder.")
    n_layers = _number(folder, model, "num_hidden_layers", "n_layers")
    hidden_size = _number(folder, model, "hidden_size", "dim")
    pad_id = model.get("pad_token_id")
    if pad_id is None:
        pad_id = _DEFAULT_PAD_IDS.get(architecture, 0)
    positions = int(model.get("max_position_embeddings") or POSITION_LIMIT)
    if architecture in _OFFSET_POSITIONS:
        positions -= (1 if architecture == "mpnet" else int(pad_id)) + 1
    max_positions = min(positions, POSITION_LIMIT)
    pooling, dense, normalize = _modules(folder)
    embedding_size = dense[-1].out_features if dense else hidden_size * len(pooling)
    return EncoderConfig(
        architecture=architecture,
        n_layers=n_layers,
        hidden_size=hidden_size,
        embedding_size=embedding_size,
        vocab_size=_number(folder, model, "vocab_size"),
        pad_id=int(pad_id),
        max_positions=max_positions,
        max_length=min(_own_limit(folder) or max_positions, max_positions),
        pooling=pooling,
        normalize=normalize,
        prefix=_default_prompt(folder),
        dense=dense,
    )


def _modules(folder: Path) -> tuple[tuple[str, ...], tuple[DenseLayer, ...], bool]:
    """Pooling, dense layers and normalisation, from a sentence-transformers folder's modules.json.

    A transformers folder has none: its token vectors are averaged, as sentence-transformers does.
    """
    if not (folder / "modules.json").is_file():
        return ("mean",), (), False
    pooling: tuple[str, ...] = ()
    dense: list[DenseLayer] = []
    normalize = False
    modules = _read_json(folder / "modules.json")
    if not isinstance(modules, list):
        raise BaseError(f"{folder / 'modules.json'} holds {type(modules).__name__}, expected a list of modules.")
    for position, module in enumerate(sorted(modules, key=lambda module: int(module["idx"]))):
        kind = str(module["type"]).rsplit(".", 1)[-1]
        place = folder / str(module["path"])
        if kind == "Transformer" and position == 0:
            if module["path"]:
                raise BaseError(
                    f"{folder} keeps its encoder in the subfolder {module['path']!r}; give that subfolder's "
                    "files at the top, as sentence-transformers has saved them since version 2."
                )
        elif kind == "Pooling" and position == 1:
            pooling = _pooling(place / "config.json")
        elif kind == "Dense" and pooling and not normalize:
            dense.append(_dense(place, folder))
        elif kind == "Normalize" and pooling:
            normalize = True
        else:
            raise BaseError(
                f"{folder / 'modules.json'} has the module {module['type']!r} at position {position}; "
                "fewfit knows Transformer, then Pooling, then Dense layers, then Normalize."
            )
    return pooling or ("mean",), tuple(dense), normalize


def _pooling(path: Path) -> tuple[str, ...]:
    config = _read_json(path)
    mode = config.get("pooling_mode")
    if mode is None:
        modes = tuple(name for key, name in _LEGACY_POOLINGS.items() if config.get(key)) or ("mean",)
    else:
        modes = (mode,) if isinstance(mode, str) else tuple(mode)
    for name in modes:
        if name not in POOLINGS:
            raise BaseError(f"{path} asks for the pooling {name!r}; known: {', '.join(POOLINGS)}.")
    if config.get("include_prompt") is False:
        raise BaseError(f"{path} leaves the prompt out of pooling (include_prompt), which fewfit cannot do.")
    return modes


def _dense(place: Path, folder: Path) -> DenseLayer:
    config = _read_json(place / "config.json")
    return DenseLayer(
        folder=place.relative_to(folder).as_posix(),
        in_features=int(config["in_features"]),
        out_features=int(config["out_features"]),
        bias=bool(config.get("bias", True)),
        activation=str(config.get("activation_function", "torch.nn.modules.linear.Identity")).rsplit(".", 1)[-1],
    )


def _own_limit(folder: Path) -> int | None:
    """How many tokens the folder itself says that the model reads, if it does."""
    for name, key in (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
    ):
        if (folder / name).is_file():
            limit = _read_json(folder / name).get(key)
            if isinstance(limit, int | float) and 0 < limit < _UNLIMITED:
                return int(limit)
    return None


def _default_prompt(folder: Path) -> str:
    path = folder / "config_sentence_transformers.json"
    if not path.is_file():
        return ""
    config = _read_json(path)
    name = config.get("default_prompt_name")
    return str((config.get("prompts") or {}).get(name, "")) if name else ""


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BaseError(f"{path} is missing; it says how the base is built.") from None
    except ValueError as error:
        raise BaseError(f"{path} is not JSON: {error}") from error


def _number(folder: Path, config: dict[str, Any], *names: str) -> int:
    for name in names:
        if isinstance(config.get(name), int):
            return int(config[name])
    raise BaseError(f"{folder / 'config.json'} does not say {' or '.join(names)}; fewfit needs a text encoder.")
