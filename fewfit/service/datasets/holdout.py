"""Whether a part of the rows is held out where there is no evaluation file."""

from collections.abc import Collection

from fewfit.data import Dataset, stratified_split, text_key
from fewfit.settings import Settings


def least_held_out(settings: Settings, effort: str = "") -> int:
    """From how many rows on a part is held out; with fewer all are trained on and cross-validated.

    `effort` is that of the training, the server's where it is empty. `quick` cross-validates nothing, so there is
    always a part held out then.
    """
    return 0 if (effort or settings.effort) == "quick" else settings.min_holdout_examples


def hold_out(dataset: Dataset, *, eval_fraction: float, before: Collection[str], seed: int) -> tuple[Dataset, Dataset]:
    """Splits into what is trained on and what it is measured on.

    `before` are the texts that the version before was measured on: those that are still there are held out again,
    so that two versions are compared on texts that neither has seen. Where less than half as many as wanted are
    left, the split is drawn afresh.
    """
    keys = {text_key(text) for text in before}
    held = [place for place, example in enumerate(dataset.examples) if text_key(example.text) in keys]
    if len(held) < eval_fraction * len(dataset) / 2 or len(held) == len(dataset):
        return stratified_split(dataset, eval_fraction=eval_fraction, seed=seed)
    chosen = set(held)
    return dataset.subset(place for place in range(len(dataset)) if place not in chosen), dataset.subset(held)
