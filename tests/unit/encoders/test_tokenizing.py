import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers
from transformers import AutoTokenizer

from fewfit.encoders.tokenizing import Tokenizer, Truncate
from fewfit.encoders.weights import locate
from fewfit.errors import BaseError, InputError
from fewfit.testing import write_toy_base

TEXTS = ["how do I change the password", "", "film", "Was für ein schöner Film! 映画"]
LONG = "the parcel has not arrived and nobody answers my message " * 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_base(tmp_path_factory.mktemp("base") / "roberta", "roberta", layers=1)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.load(locate(folder))


@pytest.fixture(scope="module")
def prefixed(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = write_toy_base(tmp_path_factory.mktemp("base") / "prefixed", layers=1, prefix="query: ")
    return Tokenizer.load(locate(folder))


@pytest.fixture(scope="module")
def by_word(prefixed: Tokenizer) -> dict[str, Tokenizer]:
    """Tokenizers as RoBERTa, BERT and XLM-R have them, with few pieces."""
    letters = [*"abcdefgilmoxß'.", "映", "film"]
    special = ["<pad>", "<unk>"]
    pieces = [*special, *letters, *("##" + letter for letter in letters)]
    words = tokenizers.Tokenizer(
        models.WordPiece(vocab={piece: n for n, piece in enumerate(pieces)}, unk_token="<unk>")
    )
    words.normalizer = normalizers.BertNormalizer()
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    spaces = tokenizers.Tokenizer(
        models.Unigram([(piece, -2.0) for piece in [*special, "▁", *letters, "▁film"]], unk_id=1)
    )
    spaces.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")])
    spaces.pre_tokenizer = pre_tokenizers.Metaspace()
    made = {"words": words, "spaces": spaces}
    kinds = {"bytes": prefixed} | {kind: Tokenizer(made[kind].to_str(), prefixed.config) for kind in made}
    assert all(tokenizer._by_word for tokenizer in kinds.values())
    return kinds


def test_ids_are_those_of_transformers(folder: Path, tokenizer: Tokenizer) -> None:
    reference = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.encode(TEXTS) == reference(TEXTS)["input_ids"]
    assert tokenizer.encode([LONG]) == reference([LONG], truncation=True, max_length=64)["input_ids"]


def test_the_prefix_stands_before_every_text(prefixed: Tokenizer) -> None:
    plain = Tokenizer(prefixed.to_json(), prefixed.config)
    whole = prefixed._tokenizer.encode("query: film").ids
    assert plain.encode(["film"]) == [whole]


def test_white_space_at_the_ends_counts_for_nothing(tokenizer: Tokenizer, prefixed: Tokenizer) -> None:
    assert tokenizer.encode([" film\n", "\u3000film ", " \t"]) == tokenizer.encode(["film", "film", ""])
    assert prefixed.encode(["film \n", " "]) == prefixed.encode(["film", ""])


def test_cutting_the_end_keeps_the_beginning_and_the_special_tokens(tokenizer: Tokenizer) -> None:
    (whole,) = tokenizer._content_ids([LONG])
    (cut,) = tokenizer.encode([LONG], max_length=20)
    assert cut == [*tokenizer._head, *whole[:18], *tokenizer._tail]


def test_cutting_the_start_keeps_prefix_end_and_special_tokens(prefixed: Tokenizer) -> None:
    (whole,) = prefixed._content_ids([LONG])
    (cut,) = prefixed.encode([LONG], max_length=30, truncate="start")
    n_prefix = len(prefixed._prefix_ids)
    assert n_prefix > 0
    room = 28 - n_prefix
    assert cut == [*prefixed._head, *prefixed._prefix_ids, *whole[-room:], *prefixed._tail]
    assert len(cut) == 30


def test_windows_go_on_where_the_one_before_ends(prefixed: Tokenizer) -> None:
    (whole,) = prefixed._content_ids([LONG])
    n_prefix = len(prefixed._prefix_ids)
    ((first, *others), short) = prefixed.windows([LONG, "film"], most=99, max_length=30)
    assert [first] == prefixed.encode([LONG], max_length=30)
    assert [short] == [prefixed.encode(["film"])]
    read = [*prefixed._prefix_ids]
    for window in (first, *others):
        assert len(window) <= 30
        assert window[: 1 + n_prefix] == [*prefixed._head, *prefixed._prefix_ids]
        assert window[-1:] == prefixed._tail
        read += window[1 + n_prefix : -1]
    assert read == whole
    assert {len(window) for window in (first, *others[:-1])} == {30}


def test_beyond_the_most_windows_a_text_is_cut_as_with_one(tokenizer: Tokenizer) -> None:
    (whole,) = tokenizer._content_ids([LONG])
    (by_end,) = tokenizer.windows([LONG], most=3, max_length=20)
    (by_start,) = tokenizer.windows([LONG], most=3, max_length=20, truncate="start")
    assert [token for window in by_end for token in window[1:-1]] == whole[:54]
    assert [token for window in by_start for token in window[1:-1]] == whole[-54:]
    with pytest.raises(InputError, match=rf"Text 1 has {len(whole) + 2} tokens; at most 56 are read"):
        tokenizer.windows([LONG], most=3, max_length=20, truncate="none")
    assert tokenizer.windows([LONG], most=99, max_length=20, truncate="none")


@pytest.mark.parametrize("kind", ["bytes", "words", "spaces"])
@given(
    # Much white space, and characters that change others beside them.
    text=st.lists(
        st.sampled_from([*"ab cİß'. \n\t", "  ", " film", "\u0301", "\u00a0", "映", "</s>", "don't", "x" * 40])
    ),
    truncate=st.sampled_from(["end", "start"]),
    most=st.integers(1, 3),
)
def test_of_a_long_text_the_part_that_is_read_has_the_tokens_of_the_whole(
    by_word: dict[str, Tokenizer], kind: str, text: list[str], truncate: Truncate, most: int
) -> None:
    tokenizer, long = by_word[kind], "".join(text * 9)
    read = tokenizer.windows([long, "film"], most=most, max_length=9, truncate=truncate)
    whole = Tokenizer(tokenizer.to_json(), tokenizer.config)
    whole._by_word = False
    assert read == whole.windows([long, "film"], most=most, max_length=9, truncate=truncate)


def test_of_a_long_text_no_more_than_needed_is_tokenized(
    by_word: dict[str, Tokenizer], tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenized: list[int] = []
    content_ids = Tokenizer._content_ids

    def count(self: Tokenizer, texts: list[str]) -> list[list[int]]:
        tokenized.extend(map(len, texts))
        return content_ids(self, texts)

    monkeypatch.setattr(Tokenizer, "_content_ids", count)
    for any_tokenizer in (*by_word.values(), tokenizer):
        for truncate in ("end", "start"):
            any_tokenizer.encode([LONG * 50], max_length=16, truncate=truncate)
    assert max(tokenized) <= 16 * 8
    tokenizer.encode(["x" * 5000], max_length=16)  # no space to cut at
    assert max(tokenized) == 5000


def test_a_tokenizer_that_looks_beyond_words_is_given_the_whole(tokenizer: Tokenizer) -> None:
    definition = json.loads(tokenizer.to_json())
    assert Tokenizer(json.dumps(definition), tokenizer.config)._by_word
    for change in (
        {"pre_tokenizer": None},
        {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": False}},
        {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True}},
        {"pre_tokenizer": {**definition["pre_tokenizer"], "use_regex": False}},
        {"normalizer": {"type": "Replace", "pattern": {"String": "a b"}, "content": "c"}},
    ):
        assert not Tokenizer(json.dumps({**definition, **change}), tokenizer.config)._by_word, change


def test_what_is_wrong_in_a_long_text_is_named_with_its_place(tokenizer: Tokenizer) -> None:
    for truncate in ("end", "start"):
        for text, place in ((f"{LONG * 9}\ud83d", 9 * len(LONG) + 1), (f"\ud83d{LONG * 9}", 1)):
            with pytest.raises(InputError, match=rf"Text 2 .* character {place} is half"):
                tokenizer.encode(["film", text], max_length=9, truncate=truncate)


def test_nothing_is_cut_when_it_must_not_be(tokenizer: Tokenizer) -> None:
    n = int(tokenizer.count([LONG])[0])
    with pytest.raises(InputError, match=rf"Text 2 has {n} tokens; at most 64 are read"):
        tokenizer.encode(["film", LONG], truncate="none")
    assert tokenizer.encode(["film"], truncate="none") == tokenizer.encode(["film"])


def test_a_text_of_exactly_the_limit_is_not_cut(tokenizer: Tokenizer) -> None:
    n = int(tokenizer.count(TEXTS[:1])[0])
    assert tokenizer.encode(TEXTS[:1], max_length=n, truncate="none") == tokenizer.encode(TEXTS[:1])


def test_counts_are_lengths_before_anything_is_cut(tokenizer: Tokenizer) -> None:
    counts = tokenizer.count([*TEXTS, LONG])
    assert counts[:-1].tolist() == [len(ids) for ids in tokenizer.encode(TEXTS)]
    assert counts[-1] > 64
    assert tokenizer.count([]).shape == (0,)


@pytest.mark.parametrize("max_length", [65, 2, 0, -1])
def test_a_length_that_the_base_cannot_read_is_refused(tokenizer: Tokenizer, max_length: int) -> None:
    with pytest.raises(InputError, match=rf"max_length is {max_length}; this base reads 3 to 64 tokens"):
        tokenizer.encode(["film"], max_length=max_length)


def test_the_folders_own_limit_is_a_default_and_no_wall(folder: Path, tmp_path: Path) -> None:
    shorter = write_toy_base(tmp_path / "short", layers=1)
    (shorter / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 16}))
    tokenizer = Tokenizer.load(locate(shorter))
    assert len(tokenizer.encode([LONG])[0]) == 16
    assert len(tokenizer.encode([LONG], max_length=64)[0]) == 64


def test_padding_is_at_the_end_and_masked(tokenizer: Tokenizer) -> None:
    ids, mask = tokenizer.pad([[0, 7, 2], [0, 2]])
    assert ids.tolist() == [[0, 7, 2], [0, 2, tokenizer.config.pad_id]]
    assert mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert ids.dtype == mask.dtype == np.int64
    assert tokenizer.pad([])[0].shape == (0, 0)


@pytest.mark.parametrize("threads", [1, None])
def test_threads_change_nothing(folder: Path, tokenizer: Tokenizer, threads: Literal[1] | None) -> None:
    other = Tokenizer.load(locate(folder), threads=threads)
    assert other.encode([*TEXTS, LONG]) == tokenizer.encode([*TEXTS, LONG])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"Text 2 is None \(NoneType\); expected a string"),
        (float("nan"), r"Text 2 is nan \(float\); expected a string"),
        (b"film", r"Text 2 is b'film' \(bytes\); expected a string"),
        ("a\ud83d!", r"Text 2 is not valid Unicode: character 2 is half of a surrogate pair \(U\+D83D\)"),
    ],
)
def test_what_is_no_text_is_named_with_its_place(tokenizer: Tokenizer, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tokenizer.count(["film", text])


def test_padding_and_cutting_that_the_file_asks_for_are_switched_off(folder: Path, tokenizer: Tokenizer) -> None:
    definition = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    definition["truncation"] = {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
    definition["padding"] = {
        "strategy": {"Fixed": 40},
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 1,
        "pad_type_id": 0,
        "pad_token": "<pad>",
    }
    other = Tokenizer(json.dumps(definition), tokenizer.config)
    assert other.encode([*TEXTS, LONG]) == tokenizer.encode([*TEXTS, LONG])


def test_a_folder_with_a_word_list_alone_gets_its_tokenizer_from_transformers(tmp_path: Path) -> None:
    folder = write_toy_base(tmp_path / "words", layers=1)
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "warm", "##er"]))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    tokenizer = Tokenizer.load(locate(folder))
    assert tokenizer.encode(["Film warmer nothing"]) == [[2, 5, 6, 7, 1, 3]]


def test_a_folder_without_any_tokenizer_is_an_error(tmp_path: Path) -> None:
    folder = write_toy_base(tmp_path / "none", layers=1)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(BaseError, match=r"no tokenizer\.json"):
        Tokenizer.load(locate(folder))
