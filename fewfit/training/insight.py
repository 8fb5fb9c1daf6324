"""What training shows about the data and the model beside the model itself; worked out when it is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fewfit.training.cross_validation import OutOfFold, cross_validated
from fewfit.training.evaluation import Evaluation
from fewfit.training.targets import Targets


@dataclass(frozen=True)
class Insight:
    """What a training job leaves to be looked into.

    `texts` are what was trained on, with their `targets` and `embeddings` by the untuned base (None for sets too
    large to keep them); `out_of_fold` has the answers of models that had not seen the text (None where effort or
    settings hold nothing out); `tuned` says whether the model is the tuned one.
    """

    texts: Sequence[str]
    targets: Targets
    embeddings: np.ndarray | None  # (n_texts, hidden)
    out_of_fold: OutOfFold | None
    tuned: bool

    @cached_property
    def cross_validation(self) -> Evaluation | None:
        """How good such models are on texts they have not seen; None where nothing was held out."""
        if self.out_of_fold is None:
            return None
        return cross_validated(self.out_of_fold, self.targets, self.texts, tuned=self.tuned)
