"""What training shows about the data and the model beside the model itself; worked out when it is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fewfit.data import Dataset, Example
from fewfit.data.suspects import HeldOutAnswers, Suspect, Suspicion
from fewfit.training.cross_validation import OutOfFold, cross_fitted, cross_validated
from fewfit.training.evaluation import Evaluation
from fewfit.training.learning_curve import LearningCurve, learning_curve
from fewfit.training.targets import Targets

MOST_SUSPECTS = 100


@dataclass(frozen=True)
class Insight:
    """What a training job leaves to be looked into.

    `texts` are what was trained on, with their `targets` and `embeddings` by the untuned base (None for sets too
    large to keep them); `out_of_fold` has the answers of models that had not seen the text (None where effort or
    settings hold nothing out); `tuned` says whether the model is the tuned one. `rows` are the numbers by which
    people find the texts (None: 1, 2, …).
    """

    texts: Sequence[str]
    targets: Targets
    embeddings: np.ndarray | None  # (n_texts, hidden)
    out_of_fold: OutOfFold | None
    tuned: bool
    rows: Sequence[int] | None = None

    @cached_property
    def cross_validation(self) -> Evaluation | None:
        """How good such models are on texts they have not seen; None where nothing was held out."""
        if self.out_of_fold is None:
            return None
        return cross_validated(self.out_of_fold, self.targets, self.texts, tuned=self.tuned)

    @cached_property
    def answers(self) -> HeldOutAnswers | None:
        """What models that had not seen a text say of it; None where nothing was held out."""
        if self.out_of_fold is None:
            return None
        # One calibration for both: from which score on a label is doubted was measured with it.
        logits = self.out_of_fold.tuned if self.tuned else self.out_of_fold.frozen
        return HeldOutAnswers(self.targets.labels, *cross_fitted(logits, self.targets, self.out_of_fold.folds))

    @cached_property
    def learning_curve(self) -> LearningCurve | None:
        """What more examples are likely to bring, and for which label; None where nothing was held out.

        It is worked out when it is first asked for, which takes seconds.
        """
        if self.cross_validation is None or self.embeddings is None:
            return None
        return learning_curve(self.embeddings, self.targets, self.texts, self.cross_validation)

    def suspects(self, rows: Sequence[int] | None = None, *, limit: int = MOST_SUSPECTS) -> list[Suspect]:
        """The training texts whose labels are likely to be wrong, the most doubtful first.

        `rows` are the row numbers of the texts (those of the insight if not given). Nothing where nothing was held out.
        """
        if self.answers is None:
            return []
        rows = self.rows if rows is None else rows
        numbers = range(1, len(self.texts) + 1) if rows is None else rows
        labels = self.targets.as_labels()
        examples = tuple(
            Example(text, (label,) if isinstance(label, str) else tuple(label), row)
            for text, label, row in zip(self.texts, labels, numbers, strict=True)
        )
        return Suspicion(Dataset(examples, self.targets.kind), self.answers, self.embeddings).suspects(limit=limit)
