"""Whether the wanted rejection of unlike texts can be had."""

from typing import TYPE_CHECKING

from fewfit.decision import Kind, rank_of_threshold
from fewfit.errors import InputError

if TYPE_CHECKING:
    from fewfit.training import TrainingSettings


def check_rejection(reject: float | None, kind: Kind, n_texts: int, settings: "TrainingSettings") -> None:
    """Raises InputError for a share that makes no sense, and where rejection cannot be fitted or has no use.

    `n_texts` is how many are trained on.
    """
    if reject is None:
        return
    if isinstance(reject, bool) or not isinstance(reject, int | float) or not 0 < reject < 1:
        raise InputError(f"reject is {reject!r}; expected a share between 0 and 1, such as 0.05, or None.")
    if kind == "multi":
        raise InputError(
            "reject is for single-label models. A multilabel model can answer with no label; raise its thresholds."
        )
    if settings.n_folds < 2:
        raise InputError(
            "reject needs texts that were held out, and effort='quick' (n_folds=0) holds none out. "
            "Take effort='balanced'."
        )
    rank_of_threshold(reject, n_texts)  # each text is held out once
