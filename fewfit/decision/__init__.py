"""From an embedding to an answer. Plain numpy, the same wherever it runs."""

from fewfit.decision.decision import Calibration, Decision, Head, Kind, probabilities
from fewfit.decision.groups import Groups, LabelGroups, margins_in, surest_in
from fewfit.decision.paths import LabelTree, check_stop_below
from fewfit.decision.rejection import Rejection, likeness, rank_of_threshold

__all__ = [
    "Calibration",
    "Decision",
    "Groups",
    "Head",
    "Kind",
    "LabelGroups",
    "LabelTree",
    "Rejection",
    "check_stop_below",
    "likeness",
    "margins_in",
    "probabilities",
    "rank_of_threshold",
    "surest_in",
]
