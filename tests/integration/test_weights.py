"""The real weights: what they are, and that each base means something."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fewfit.encoders.bases import known_bases
from fewfit.encoders.encoder import Encoder
from fewfit.encoders.weights import locate, on_this_machine
from fewfit.errors import BaseNotFoundError

pytestmark = pytest.mark.weights

# One row a meaning, one column a language.
SENTENCES = (
    (
        "How do I change my password?",
        "Wie ändere ich mein Passwort?",
        "¿Cómo cambio mi contraseña?",
        "パスワードを変更したい",
    ),
    (
        "The parcel has not arrived.",
        "Das Paket ist nicht angekommen.",
        "El paquete no ha llegado.",
        "荷物が届いていません",
    ),
    ("I love this film.", "Ich liebe diesen Film.", "Me encanta esta película.", "この映画が大好きです"),
)
PARAPHRASES = (
    "What are the steps to get a new login secret for my account?",
    "My delivery is still missing.",
    "This movie is wonderful.",
)


def load(name: str) -> Encoder:
    base = known_bases()[name]
    if name != "english-small" and on_this_machine(base) is None:
        pytest.skip(f"the weights of {name} are not on this machine; fewfit bases fetch {name} brings them")
    try:
        return Encoder.load(locate(name), device="cpu")
    except BaseNotFoundError as error:
        pytest.fail(f"make test needs these weights. {error}")


def nearest(rows: NDArray[np.float32], others: NDArray[np.float32]) -> list[int]:
    return (rows @ others.T).argmax(axis=1).tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", known_bases())
def test_a_base_is_what_the_registry_says(name: str) -> None:
    encoder = load(name)
    base = known_bases()[name]
    config = encoder.config
    assert encoder.weights.name == name
    assert (config.n_layers, config.hidden_size) == (base.n_layers, base.hidden_size)
    assert (config.max_positions, config.max_length) == (512, base.max_length)
    assert (config.pooling, config.normalize, config.prefix) == (base.pooling, base.normalize, base.prefix)
    assert 0 < base.tail_layers <= config.n_layers
    np.testing.assert_allclose(np.linalg.norm(encoder.embed(["hello", ""]), axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", known_bases())
def test_a_paraphrase_is_nearer_than_another_subject(name: str) -> None:
    encoder = load(name)
    english = encoder.embed([row[0] for row in SENTENCES])
    assert nearest(encoder.embed(PARAPHRASES), english) == [0, 1, 2]


@pytest.mark.parametrize("name", ["multilingual", "multilingual-q4"])
def test_a_translation_is_nearer_than_another_subject(name: str) -> None:
    encoder = load(name)
    english, *others = [encoder.embed(column) for column in zip(*SENTENCES, strict=True)]
    for other in others:
        assert nearest(other, english) == [0, 1, 2]


def test_the_4_bit_weights_agree_with_the_original() -> None:
    texts = [text for row in SENTENCES for text in row]
    original, dequantised = load("multilingual").embed(texts), load("multilingual-q4").embed(texts)
    assert (original * dequantised).sum(axis=1).min() > 0.97


@pytest.mark.parametrize("name", ["english", "english-small", "multilingual-q4"])
def test_embeddings_are_those_of_sentence_transformers(name: str) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = load(name)
    texts = [*SENTENCES[0], "", " and some white space \n", "word " * 600]
    reference = SentenceTransformer(str(encoder.weights.folder), device="cpu")
    np.testing.assert_allclose(encoder.embed(texts), reference.encode(texts), atol=2e-5)
