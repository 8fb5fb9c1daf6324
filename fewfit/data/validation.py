"""Checks labelled texts before training, all at once, and reports everything that was found."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fewfit.data.advice import advise
from fewfit.data.dataset import Dataset, Example
from fewfit.data.keys import label_key, text_key
from fewfit.data.language import ENGLISH_SHARE, LanguageMix, language_mix
from fewfit.data.report import SHOWN, Finding, Report, Severity, counted, listed, quoted, row_list
from fewfit.errors import MissingExtraError

CountTokens = Callable[[Sequence[str]], Sequence[int] | np.ndarray]

# What training makes of texts longer than the encoder reads at once; "auto": what answers held-out texts better.
LongTexts = Literal["auto", "cut", "windows"]

_COUNT_BATCH = 1024
# What pandas, databases and spreadsheets write for a value that is not there. "None" and "n/a" may be meant.
_NOTHING = frozenset(("nan", "<na>", "nat", "null", "\\n", "#n/a", "#na", "#value!", "#ref!", "#name?"))
# Of a text with different labels, this many of them are named.
_SHOWN_LABELS = 3
_WHAT_BECOMES_OF_LONG_TEXTS: dict[LongTexts, str] = {
    "auto": "They are cut there, unless training finds that held-out ones are answered better when read in windows.",
    "cut": "They are cut there.",
    "windows": "They are read in windows of that length.",
}


@dataclass(frozen=True)
class Requirements:
    """How much data there must be. Too little is an error where `strict`, else a warning."""

    min_examples: int = 32
    min_examples_per_label: int = 5
    strict: bool = True


def validate(
    dataset: Dataset,
    *,
    requirements: Requirements | None = None,
    count_tokens: CountTokens | None = None,
    max_tokens: int | None = None,
    long_texts: LongTexts = "auto",
    most_windows: int | None = None,
    base: str | None = None,
    languages: LanguageMix | None = None,
) -> Report:
    """Everything that is wrong or doubtful in labelled texts, and advice; all with row numbers.

    Fewer than two labels, or no example, is an error in any case. `count_tokens` gives the number of tokens of
    each of a list of texts and `max_tokens` how many the encoder reads at once; with both, longer texts are reported,
    and what training with `long_texts` makes of them: of a text read in windows, at most `most_windows` are read.
    `base` is the name of the base that is to be trained on, to say whether it fits the languages, which are found
    unless `languages` has them already (a mix of no texts: they are left alone).

    >>> from fewfit.data import Dataset, Example
    >>> rows = [("card lost", "cards"), ("Card  lost", "account"), ("no parcel", "delivery")]
    >>> data = Dataset(tuple(Example(text, (label,), row) for row, (text, label) in enumerate(rows, 2)), "single")
    >>> report = validate(data, requirements=Requirements(strict=False))
    >>> report.ok, "conflicting_labels" in report.codes
    (True, True)
    """
    requirements = requirements or Requirements()
    if not dataset.examples:
        nothing = Finding("no_examples", "error", "There are no examples.", suggestion="Give texts with their labels.")
        return Report((nothing,))
    # Row order, so that the same rows in another order give the same report.
    dataset = dataset.with_examples(sorted(dataset.examples, key=lambda example: example.row))
    checks = (
        _check_amounts(dataset, requirements),
        _check_label_names(dataset),
        _check_nothing(dataset.examples),
        _check_copies(dataset.examples),
        _check_lengths(dataset, count_tokens, max_tokens, long_texts, most_windows),
        _check_languages(dataset, base, languages),
        advise(dataset),
    )
    return Report(tuple(finding for check in checks for finding in check))


def check_leakage(training: Iterable[str], evaluation: Dataset) -> Report:
    """Texts to evaluate on that are among those trained on, too, which makes the figures too good."""
    known = {text_key(text) for text in training}
    leaked = [example for example in evaluation.examples if text_key(example.text) in known]
    if not leaked:
        return Report()
    rows = [example.row for example in leaked]
    finding = Finding(
        "leaked_text",
        "warning",
        f"{len(leaked):,} of the {counted(len(evaluation), 'text')} to evaluate on "
        f"{'is' if len(leaked) == 1 else 'are'} in the training data, too: "
        f"{row_list(rows)}. The figures come out better than they are.",
        rows=tuple(rows),
        suggestion="Remove them from one of the files.",
    )
    return Report((finding,))


def check_conflicts(dataset: Dataset) -> Report:
    """Texts that are there more than once, with different labels."""
    return Report(tuple(found for found in _check_copies(dataset.examples) if found.code == "conflicting_labels"))


def check_spellings(dataset: Dataset, known: Collection[str]) -> Report:
    """Labels that are new to a model, but differ only by case, white space or the unseen from one that it knows."""
    exact = set(known)
    names = {label_key(label): label for label in known}
    beside = {label: names.get(label_key(label)) for label in dataset.label_names if label not in exact}
    found = {label: name for label, name in beside.items() if name is not None}
    if not found:
        return Report()
    words = listed(f"{quoted(label)} beside {quoted(name)}" for label, name in found.items())
    finding = Finding(
        "label_variants",
        "warning",
        f"{counted(len(found), 'label')} new to the model, different from one that it knows only by "
        f"upper and lower case, white space or characters that cannot be seen: {words}.",
        rows=tuple(example.row for example in dataset.examples if not found.keys().isdisjoint(example.labels)),
        labels=tuple(found),
        suggestion="If they mean the same, write them as the model has them.",
    )
    return Report((finding,))


def conflicting_rows(dataset: Dataset) -> list[int]:
    """The rows of texts that are there more than once, with different labels; sorted."""
    different = [group for group in _copies(dataset.examples) if len(_one_of_each(group)) > 1]
    return sorted(example.row for group in different for example in group)


def _check_amounts(dataset: Dataset, requirements: Requirements) -> Iterator[Finding]:
    severity: Severity = "error" if requirements.strict else "warning"
    counts = dataset.label_counts
    if len(counts) < 2:
        found = f"only the label {quoted(next(iter(counts)))}" if counts else "no label at all"
        yield Finding(
            "one_label",
            "error",
            f"There is {found}; at least 2 different labels are needed.",
            labels=tuple(counts),
            suggestion="Add examples of at least one other label.",
        )
    if len(dataset) < requirements.min_examples:
        missing = requirements.min_examples - len(dataset)
        yield Finding(
            "few_examples",
            severity,
            f"{counted(len(dataset), 'example')} in all; at least {requirements.min_examples} are needed for a "
            "model that can be relied on.",
            suggestion=f"Add {missing} more.",
        )
    yield from _check_rare_labels(dataset, requirements.min_examples_per_label, severity)
    if dataset.kind == "multi" and len(counts) > 1:
        everywhere = [label for label, count in counts.items() if count == len(dataset)]
        for label in everywhere:
            yield Finding(
                "label_on_every_row",
                severity,
                f"The label {quoted(label)} is on every row, so nothing can be learnt about where it does not apply.",
                labels=(label,),
                suggestion="Remove the label, or add examples without it.",
            )


def _check_rare_labels(dataset: Dataset, minimum: int, severity: Severity) -> Iterator[Finding]:
    rare = {label: count for label, count in dataset.label_counts.items() if count < minimum}
    if not rare:
        return
    ordered = sorted(rare, key=lambda label: (rare[label], label))
    words = [f"{quoted(label)} has {rare[label]} ({minimum - rare[label]} missing)" for label in ordered]
    rows = tuple(example.row for example in dataset.examples if any(label in rare for label in example.labels))
    yield Finding(
        "rare_label",
        severity,
        f"{counted(len(rare), 'label')} with fewer than {counted(minimum, 'example')}: {listed(words)}.",
        rows=rows,
        labels=tuple(ordered),
        suggestion="Add the missing examples, merge the label with another one, or remove it.",
    )


def _check_label_names(dataset: Dataset) -> Iterator[Finding]:
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in dataset.label_names:
        spellings[label_key(label)].append(label)
    several = [variants for variants in spellings.values() if len(variants) > 1]
    if not several:
        return
    rows: dict[str, list[int]] = defaultdict(list)
    for example in dataset.examples:
        for label in example.labels:
            rows[label].append(example.row)
    for variants in several[:SHOWN]:
        common = max(variants, key=lambda label: (len(rows[label]), label))
        words = listed(f"{quoted(label)} ({len(rows[label])})" for label in variants)
        yield Finding(
            "label_variants",
            "warning",
            f"The labels {words} differ only by upper and lower case, white space or characters that cannot be seen; "
            "they are different labels.",
            rows=tuple(sorted({row for label in variants if label != common for row in rows[label]})),
            labels=tuple(variants),
            suggestion=f"If they mean the same, write {quoted(common)} everywhere.",
        )
    if more := several[SHOWN:]:
        words = listed(" and ".join(quoted(label) for label in variants[:2]) for variants in more)
        yield Finding(
            "label_variants",
            "warning",
            f"{len(more):,} more labels are spelled in different ways: {words}.",
            rows=tuple(sorted({row for variants in more for label in variants for row in rows[label]})),
            suggestion="Are the labels in this column? If they mean the same, write each in one way.",
        )


def _check_nothing(examples: Iterable[Example]) -> Iterator[Finding]:
    found = {
        e.row: nothing
        for e in examples
        if (nothing := next((word for word in (e.text, *e.labels) if word.strip().casefold() in _NOTHING), ""))
    }
    if found:
        words = dict.fromkeys(map(quoted, found.values()))
        yield Finding(
            "nothing_written",
            "warning",
            f"{counted(len(found), 'row')} with {listed(words)} as text or label, which programs write where there is "
            f"none: {row_list(list(found))}.",
            rows=tuple(found),
            suggestion="Leave these rows out, or give them their text or label.",
        )


def _check_copies(examples: Iterable[Example]) -> Iterator[Finding]:
    several = _copies(examples)
    same = [group for group in several if len(_one_of_each(group)) == 1]
    different = [group for group in several if len(_one_of_each(group)) > 1]
    if same:
        extra = sum(len(group) - 1 for group in same)
        shown = [f"{quoted(group[0].text)} in {row_list([e.row for e in group])}" for group in same[:5]]
        yield Finding(
            "duplicate_text",
            "warning",
            f"{counted(len(same), 'text')} with the same label more than once ({counted(extra, 'row')} too many): "
            f"{listed(shown, len(same))}.",
            rows=tuple(example.row for group in same for example in group[1:]),
            suggestion="Remove the copies: they teach nothing new.",
            count=extra,
        )
    if different:
        shown = [
            f"{quoted(group[0].text)} is "
            + " and ".join(f"{_names(e)} in row {e.row}" for e in _one_of_each(group)[:_SHOWN_LABELS])
            for group in different[:5]
        ]
        rows = tuple(example.row for group in different for example in group)
        yield Finding(
            "conflicting_labels",
            "warning",
            f"{counted(len(different), 'text')} with different labels in different rows: "
            f"{listed(shown, len(different))}.",
            rows=rows,
            labels=tuple(sorted({label for group in different for example in group for label in example.labels})),
            suggestion="Decide for one of them, or mark the texts with both in multilabel data.",
        )


def _copies(examples: Iterable[Example]) -> list[list[Example]]:
    """The examples of each text that is there more than once."""
    copies: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        copies[text_key(example.text)].append(example)
    return [group for group in copies.values() if len(group) > 1]


def _one_of_each(copies: Sequence[Example]) -> list[Example]:
    """The first example with each set of labels."""
    first: dict[frozenset[str], Example] = {}
    for example in copies:
        first.setdefault(frozenset(example.labels), example)
    return list(first.values())


def _names(example: Example) -> str:
    return " + ".join(quoted(label) for label in example.labels) or "without a label"


def _check_lengths(
    dataset: Dataset,
    count_tokens: CountTokens | None,
    max_tokens: int | None,
    long_texts: LongTexts,
    most_windows: int | None,
) -> Iterator[Finding]:
    if count_tokens is None or max_tokens is None:
        return
    texts = dataset.texts
    counts = np.concatenate(
        [
            np.asarray(count_tokens(texts[start : start + _COUNT_BATCH]), dtype=np.int64)
            for start in range(0, len(texts), _COUNT_BATCH)
        ]
    )  # (n_texts,)
    long = np.flatnonzero(counts > max_tokens)
    if not len(long):
        return
    beyond = int((counts[long] - max_tokens).sum())
    longest = int(counts.argmax())
    rows = [dataset.examples[index].row for index in long]
    what_becomes = _WHAT_BECOMES_OF_LONG_TEXTS[long_texts]
    if long_texts == "windows" and most_windows is not None:
        in_each = int(count_tokens([""])[0])  # special tokens and prefix, which every window has anew
        lost = np.maximum(counts - in_each - most_windows * (max_tokens - in_each), 0)
        if lost.any():
            what_becomes += (
                f" {counted(int((lost > 0).sum()), 'text is', 'texts are')} longer than {most_windows} of them, the "
                f"most that are read: the last {counted(int(lost.sum()), 'token')} ({lost.sum() / counts.sum():.1%} of "
                "all) are lost."
            )
    yield Finding(
        "truncated_text",
        "warning",
        f"{counted(len(long), 'text')} of {len(texts):,} ({len(long) / len(texts):.1%}) longer than the {max_tokens} "
        f"tokens that are read at once; {beyond / int(counts[long].sum()):.0%} of what they say comes after them "
        f"({beyond / int(counts.sum()):.1%} of all tokens): {row_list(rows)}. The longest, in row "
        f"{dataset.examples[longest].row}, has {int(counts[longest]):,}. {what_becomes}",
        rows=tuple(rows),
        suggestion="Put what matters first, split the texts, let more be read at once (--max-length, 512 at the most)"
        + ("." if long_texts == "windows" else ", or have them read in windows (--long-texts windows)."),
    )


def _check_languages(dataset: Dataset, base: str | None, mix: LanguageMix | None) -> Iterator[Finding]:
    try:
        mix = mix or language_mix(dataset.texts)
    except MissingExtraError as error:
        yield Finding(
            "language_unchecked", "advice", "The languages of the texts were not looked at.", suggestion=str(error)
        )
        return
    english = base is not None and (base == "english" or base.startswith("english-"))
    if not mix.sure:
        return
    others = tuple(dataset.examples[index].row for index, code in mix.languages if code != "en")
    if mix.base == "multilingual" and (english or base is None):
        yield Finding(
            "base_language",
            "warning" if english else "advice",
            f"The texts are not all English ({mix}): {row_list(others)}.",
            rows=others,
            suggestion="Use the base multilingual." + (f" {base} reads English only." if english else ""),
        )
    elif mix.base == "english" and not english and base in (None, "multilingual", "multilingual-q4"):
        yield Finding(
            "base_language",
            "advice",
            f"More than {ENGLISH_SHARE:.0%} of the texts are English.",
            suggestion="The base english is the most accurate one for them, english-small the fastest.",
        )
