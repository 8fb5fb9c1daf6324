"""Advice on labelled texts: nothing is wrong, but the model could be better."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

from fewfit.data.cleaning import ENTITY, TAG, URL
from fewfit.data.dataset import Dataset, Example
from fewfit.data.keys import text_key
from fewfit.data.report import Finding, counted, listed, quoted

# One label with more than this many times the examples of another.
IMBALANCE: Final = 10
# Markup and URLs are worth a word from this share of the texts on.
_NOISE_SHARE: Final = 0.05
# A sentence that repeats in this share of the texts, and in so many of them, says nothing about any.
_BOILERPLATE_SHARE: Final = 0.1
_BOILERPLATE_TEXTS: Final = 5
_BOILERPLATE_CHARACTERS: Final = 15
_SENTENCE_END: Final = re.compile(r"[\r\n]+|(?<=[.!?。！？])\s+")
# Examples of one label are nearly alike where most share this part of their words with another one.
_ALIKE: Final = 0.75
_ALIKE_SHARE: Final = 0.5
_ALIKE_EXAMPLES: Final = 5
# Examples of a label that are compared with each other, which takes the square of it.
_COMPARED: Final = 60
_WORD: Final = re.compile(r"\w+")


def advise(dataset: Dataset) -> Iterator[Finding]:
    """Imbalance, markup, URLs, sentences that repeat, and labels whose examples are nearly alike."""
    yield from _imbalance(dataset)
    yield from _noise(dataset.examples)
    yield from _boilerplate(dataset.examples)
    yield from _alike(dataset.examples)


def _imbalance(dataset: Dataset) -> Iterator[Finding]:
    counts = dataset.label_counts
    if len(counts) < 2:
        return
    most = max(counts, key=lambda label: (counts[label], label))
    least = min(counts, key=lambda label: (counts[label], label))
    if counts[most] > IMBALANCE * counts[least]:
        few = sorted(label for label in counts if counts[most] > IMBALANCE * counts[label])
        yield Finding(
            "imbalance",
            "advice",
            f"{quoted(most)} has {counted(counts[most], 'example')}, {quoted(least)} has {counts[least]}: more than "
            f"{IMBALANCE} to 1.",
            labels=tuple(few),
            suggestion=f"More examples of {listed(map(quoted, few))} are worth the most.",
        )


def _noise(examples: Sequence[Example]) -> Iterator[Finding]:
    markup = [example.row for example in examples if TAG.search(example.text) or ENTITY.search(example.text)]
    urls = [example.row for example in examples if URL.search(example.text)]
    for code, what, rows in (("markup", "markup such as HTML tags", markup), ("urls", "URLs", urls)):
        if rows and len(rows) >= _NOISE_SHARE * len(examples):
            yield Finding(
                code,
                "advice",
                f"{counted(len(rows), 'text')} ({len(rows) / len(examples):.0%}) with {what}.",
                rows=tuple(rows),
                suggestion="If it says nothing about the label, train with --clean (clean=True): it is then taken out, "
                "also when classifying.",
            )


def _boilerplate(examples: Sequence[Example]) -> Iterator[Finding]:
    where: dict[str, list[int]] = defaultdict(list)
    first: dict[str, str] = {}
    for number, example in enumerate(examples):
        sentences = [sentence.strip() for sentence in _SENTENCE_END.split(example.text)]
        long = [sentence for sentence in sentences if len(sentence) >= _BOILERPLATE_CHARACTERS]
        # A text of one sentence that repeats is a duplicate, which is another finding.
        if len([sentence for sentence in sentences if sentence]) < 2:
            continue
        for sentence in long:
            key = text_key(sentence)
            first.setdefault(key, sentence)
            if not where[key] or where[key][-1] != number:
                where[key].append(number)
    least = max(_BOILERPLATE_TEXTS, _BOILERPLATE_SHARE * len(examples))
    repeated = sorted((key for key in where if len(where[key]) >= least), key=lambda key: (-len(where[key]), key))
    if repeated:
        rows = sorted({number for key in repeated for number in where[key]})
        yield Finding(
            "boilerplate",
            "advice",
            f"The same sentence is in many texts: "
            f"{listed(f'{quoted(first[key])} in {len(where[key])}' for key in repeated)}.",
            rows=tuple(examples[number].row for number in rows),
            suggestion="Take out signatures and standard phrases: they take room and say nothing about the label.",
        )


def _alike(examples: Sequence[Example]) -> Iterator[Finding]:
    by_label: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        for label in example.labels:
            by_label[label].append(example)
    found = {label: share for label in sorted(by_label) if (share := _alike_share(by_label[label])) > _ALIKE_SHARE}
    if found:
        yield Finding(
            "alike_examples",
            "advice",
            "Examples that are nearly alike: "
            f"{listed(f'{share:.0%} of those of {quoted(label)}' for label, share in found.items())} share most of "
            "their words with another one.",
            rows=tuple(sorted({example.row for label in found for example in by_label[label]})),
            labels=tuple(found),
            suggestion="Add examples that say it in other words: variety is worth more than number.",
        )


def _alike_share(examples: Sequence[Example]) -> float:
    """The share of a label's different texts that have most of their words in common with another one of them."""
    texts = {text_key(example.text) for example in examples}
    if len(texts) < _ALIKE_EXAMPLES:
        return 0.0
    compared = sorted(texts, key=_digest)[:_COMPARED]
    words = [frozenset(_WORD.findall(text)) for text in compared]
    alike = set[int]()
    for (a, first), (b, second) in combinations(enumerate(words), 2):
        shared = len(first & second)
        if shared and shared >= _ALIKE * (len(first) + len(second) - shared):
            alike.update((a, b))
    return len(alike) / len(compared)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
