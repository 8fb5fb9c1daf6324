"""Whether a part of the rows is held out where there is no evaluation file."""

from fewfit.settings import Settings


def least_held_out(settings: Settings) -> int:
    """From how many rows on a part is held out; with fewer all are trained on and cross-validated.

    `quick` cross-validates nothing, so there is always a part held out then.
    """
    return 0 if settings.effort == "quick" else settings.min_holdout_examples
