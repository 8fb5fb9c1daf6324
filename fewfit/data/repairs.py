"""Puts right what a report has found."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from fewfit.data.dataset import Dataset, Example
from fewfit.data.keys import label_key
from fewfit.data.report import Finding, Report, counted, listed, quoted, row_list


def drop_duplicates(dataset: Dataset) -> Dataset:
    """Without rows whose text and labels both stood in an earlier row, to the letter."""
    seen: set[tuple[str, frozenset[str]]] = set()
    kept = []
    for example in dataset.examples:
        key = (example.text, frozenset(example.labels))
        if key not in seen:
            seen.add(key)
            kept.append(example)
    return dataset.with_examples(kept)


def drop_rare_labels(dataset: Dataset, minimum: int) -> tuple[Dataset, Report]:
    """Without labels that have fewer than `minimum` examples, and a report of what went.

    Their rows go; in multilabel data those stay, without the label, that have others, too.
    """
    rare = sorted(label for label, count in dataset.label_counts.items() if count < minimum)
    if not rare:
        return dataset, Report()
    drop = set(rare)
    kept, gone, changed = [], [], []
    for example in dataset.examples:
        labels = tuple(label for label in example.labels if label not in drop)
        if len(labels) == len(example.labels):
            kept.append(example)
        elif labels:
            kept.append(Example(example.text, labels, example.row))
            changed.append(example.row)
        else:
            gone.append(example.row)
    what = f"{counted(len(gone), 'row')} dropped"
    if changed:
        what += f", taken off {counted(len(changed), 'row')} with other labels"
    names = listed(f"{quoted(label)} ({dataset.label_counts[label]})" for label in rare)
    finding = Finding(
        "rare_label_dropped",
        "warning",
        f"{counted(len(rare), 'label')} with fewer than {counted(minimum, 'example')}: {names}; {what}.",
        rows=tuple(sorted([*gone, *changed])),
        labels=tuple(rare),
        suggestion="Add examples to have the label back.",
    )
    return dataset.with_examples(kept), Report((finding,))


def keep_known_labels(dataset: Dataset, known: Sequence[str]) -> tuple[Dataset, Report]:
    """Without rows that have a label which is not among the `known` ones, and a report of what went."""
    names = set(known)
    kept = [example for example in dataset.examples if names.issuperset(example.labels)]
    if len(kept) == len(dataset):
        return dataset, Report()
    gone = [example for example in dataset.examples if not names.issuperset(example.labels)]
    unknown = sorted({label for example in gone for label in example.labels} - names)
    rows = [example.row for example in gone]
    finding = Finding(
        "unknown_label",
        "warning",
        f"{counted(len(gone), 'row')} with a label that the model does not know ({listed(map(quoted, unknown))}) left "
        f"out: {row_list(rows)}.",
        rows=tuple(rows),
        labels=tuple(unknown),
        suggestion=f"The model knows {listed(map(quoted, known))}.",
    )
    return dataset.with_examples(kept), Report((finding,))


def rename_labels(dataset: Dataset, names: Mapping[str, str]) -> Dataset:
    """With some labels under other names; two labels that get the same name become one."""
    return dataset.with_examples(
        Example(e.text, tuple(dict.fromkeys(names.get(label, label) for label in e.labels)), e.row)
        for e in dataset.examples
    )


def merge_label_variants(dataset: Dataset) -> Dataset:
    """With labels that differ only by case or white space under the most frequent of their spellings."""
    counts = Counter(dataset.label_counts)
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in counts:
        spellings[label_key(label)].append(label)
    best = {key: max(labels, key=lambda label: (counts[label], label)) for key, labels in spellings.items()}
    return rename_labels(dataset, {label: best[label_key(label)] for label in counts})
