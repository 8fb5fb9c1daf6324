"""Puts right what a look at the labels has found, as far as the user asks for it."""

from collections.abc import Collection
from typing import Literal, get_args

from fewfit.data.dataset import Dataset, Example
from fewfit.data.quality import Quality
from fewfit.data.repairs import merge_label_variants
from fewfit.errors import InputError

Fix = Literal["drop-suspects", "relabel-suspects", "drop-conflicts", "drop-leaks", "merge-label-variants"]
FIXES: tuple[Fix, ...] = get_args(Fix)


def apply_fixes(dataset: Dataset, quality: Quality, fixes: Collection[Fix]) -> Dataset:
    """The data set with the wanted repairs.

    `drop-suspects` leaves out examples whose label is likely to be wrong, `relabel-suspects` gives them the suggested
    one; `drop-conflicts` leaves out texts that are (nearly) the same with different labels, `drop-leaks` those that are
    nearly the same as a text to evaluate on; `merge-label-variants` makes one label of those that differ by case.
    """
    if unknown := sorted(set(fixes) - set(FIXES)):
        raise InputError(f"There is no fix {unknown[0]!r}; the fixes are: {', '.join(FIXES)}.")
    if {"drop-suspects", "relabel-suspects"} <= set(fixes):
        raise InputError("drop-suspects and relabel-suspects exclude each other; give one of them.")
    suspects = {suspect.row: suspect for suspect in quality.suspects}
    gone: set[int] = set()
    if "drop-suspects" in fixes:
        gone |= suspects.keys()
    if "drop-conflicts" in fixes:
        gone |= set(quality.conflicts)
    if "drop-leaks" in fixes:
        gone |= set(quality.leaks)
    examples = [example for example in dataset.examples if example.row not in gone]
    if "relabel-suspects" in fixes:
        examples = [
            Example(example.text, suspects[example.row].suggested, example.row) if example.row in suspects else example
            for example in examples
        ]
    fixed = dataset.with_examples(examples)
    return merge_label_variants(fixed) if "merge-label-variants" in fixes else fixed
