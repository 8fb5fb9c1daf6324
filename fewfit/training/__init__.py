"""The few-shot method: a tail tuned on cached activations, and a head refitted on what it gives.

Needs the training extra (`pip install "fewfit[train]"`). Knows nothing of files, HTTP or databases.
"""

from fewfit.training.evaluation import Evaluation, evaluate_answers
from fewfit.training.events import Event, EventSink, Progress
from fewfit.training.heads import fit_head
from fewfit.training.held_out import held_out_answers
from fewfit.training.insight import Insight
from fewfit.training.metrics import Metrics, score
from fewfit.training.rejecting import fit_rejection
from fewfit.training.settings import Effort, TrainingSettings
from fewfit.training.targets import Targets
from fewfit.training.trainer import TrainedModel, cross_validate, train

__all__ = [
    "Effort",
    "Evaluation",
    "Event",
    "EventSink",
    "Insight",
    "Metrics",
    "Progress",
    "Targets",
    "TrainedModel",
    "TrainingSettings",
    "cross_validate",
    "evaluate_answers",
    "fit_head",
    "fit_rejection",
    "held_out_answers",
    "score",
    "train",
]
