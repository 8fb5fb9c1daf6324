"""The sample sets: their sizes, their labels, and that the test texts are new and need more than keywords."""

import json
import re
from collections import Counter
from importlib import resources
from itertools import combinations, product

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fewfit.errors import InputError
from fewfit.samples import SAMPLES, Part, about_sample, load_sample, sample_file, sample_names

SIZES = {
    "support": (72, 72),
    "tickets": (78, 70),
    "spam": (40, 30),
    "sentiment": (45, 36),
    "genres": (60, 40),
    "languages": (48, 48),
}
MULTI = ["tickets", "genres"]
SINGLE = ["support", "spam", "sentiment", "languages"]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def overlap(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b)


def labels_of(name: str, part: str) -> list[list[str]]:
    _, labels = load_sample(name, part)
    return [[label] if isinstance(label, str) else label for label in labels]


def test_every_folder_with_data_is_listed_once() -> None:
    folders = {
        entry.name
        for entry in resources.files("fewfit.samples").iterdir()
        if entry.is_dir() and not entry.name.startswith("_")
    }
    assert folders == set(SAMPLES) == set(SIZES)
    assert sample_names() == list(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_parts_have_their_sizes(name: str) -> None:
    for part, size in zip(("train", "test"), SIZES[name], strict=True):
        texts, labels = load_sample(name, part)
        assert len(texts) == len(labels) == size
        assert all(text == text.strip() and words(text) for text in texts)


@pytest.mark.parametrize("name", SAMPLES)
def test_labels_match_the_about_file(name: str) -> None:
    about = about_sample(name)
    assert about.label_names == sorted(set(about.label_names))
    assert about.title
    assert about.summary
    assert all(len(label.meaning) > 20 for label in about.labels)
    for part in ("train", "test"):
        used = {label for row in labels_of(name, part) for label in row}
        assert used == set(about.label_names)


@pytest.mark.parametrize("name", SAMPLES)
def test_kind_says_how_many_labels_a_text_has(name: str) -> None:
    kind = about_sample(name).kind
    assert kind == ("multi" if name in MULTI else "single")
    for part in ("train", "test"):
        _, labels = load_sample(name, part)
        assert all(isinstance(label, list if kind == "multi" else str) for label in labels)


@pytest.mark.parametrize("name", SINGLE)
def test_single_sets_are_balanced(name: str) -> None:
    for part in ("train", "test"):
        assert len(set(Counter(load_sample(name, part)[1]).values())) == 1


@pytest.mark.parametrize("name", MULTI)
def test_multi_sets_have_empty_rows_enough_positives_and_no_label_everywhere(name: str) -> None:
    for part in ("train", "test"):
        rows = labels_of(name, part)
        counts = Counter(label for row in rows for label in row)
        assert min(counts.values()) >= (8 if part == "train" else 5)
        assert max(counts.values()) < len(rows) / 2
        assert [] in rows
        assert 2 <= max(len(row) for row in rows) <= 3
        assert all(row == sorted(set(row)) for row in rows)


@pytest.mark.parametrize("name", SAMPLES)
def test_no_text_is_there_twice(name: str) -> None:
    texts = load_sample(name, "train")[0] + load_sample(name, "test")[0]
    normalised = [" ".join(words(text)) for text in texts]
    assert len(set(normalised)) == len(normalised)


@pytest.mark.parametrize("name", SAMPLES)
def test_test_texts_share_few_words_with_any_train_text(name: str) -> None:
    train, test = ([set(words(text)) for text in load_sample(name, part)[0]] for part in ("train", "test"))
    assert max(overlap(a, b) for a, b in product(train, test)) < 0.6


def test_no_text_is_in_two_sets() -> None:
    everything = {
        name: {" ".join(words(t)) for part in ("train", "test") for t in load_sample(name, part)[0]} for name in SAMPLES
    }
    for a, b in combinations(SAMPLES, 2):
        assert not everything[a] & everything[b]


@pytest.mark.parametrize("part", ["train", "test"])
def test_support_labels_are_rarely_written_out(part: Part) -> None:
    texts, labels = load_sample("support", part)
    leaking = sum(label in text.lower() for text, label in zip(texts, labels, strict=True))
    assert leaking < len(texts) / 5


def test_support_needs_more_than_keywords_but_can_be_learned() -> None:
    """A bag of words gets it partly right: far above the 1 in 6 of guessing, far below perfect."""
    train, test = load_sample("support", "train"), load_sample("support", "test")
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10, max_iter=1000)).fit(*train)
    assert 0.45 <= model.score(*test) <= 0.8


def test_languages_are_spread_over_both_parts() -> None:
    assert about_sample("languages").languages == ("de", "en", "es", "fr", "it", "pt", "tr")
    marks = {"de": r"\b(ich|der|ist)\b", "es": r"[¿¡]|\bque\b", "fr": r"\b(je|vous|mon)\b", "tr": r"[ışğ]"}
    for part in ("train", "test"):
        texts = load_sample("languages", part)[0]
        for language, mark in marks.items():
            assert any(re.search(mark, text.lower()) for text in texts), language


def test_loads_exactly_what_the_file_says() -> None:
    texts, labels = load_sample("tickets", "train")
    records = [json.loads(line) for line in sample_file("tickets", "train").read_text(encoding="utf-8").splitlines()]
    assert [record["text"] for record in records] == texts
    assert [record["label"] for record in records] == labels
    assert sample_file("support").read_text(encoding="utf-8").startswith("text,label\n")


def test_unknown_name_says_which_there_are() -> None:
    with pytest.raises(InputError, match=r"no sample set 'suport'.*support, tickets"):
        load_sample("suport", "train")
    with pytest.raises(InputError, match="no sample set"):
        about_sample("../support")


def test_unknown_part_says_which_there_are() -> None:
    with pytest.raises(InputError, match=r"no part 'dev'.*'train' or 'test'"):
        load_sample("support", "dev")
