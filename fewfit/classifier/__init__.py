"""What the user holds: a text classifier that fits, predicts, evaluates, saves and loads."""

from fewfit.classifier.classifier import Classifier
from fewfit.classifier.explaining import Explanation, Neighbour, Word
from fewfit.classifier.updating import Update
from fewfit.classifier.weights import ClassWeight

__all__ = ["ClassWeight", "Classifier", "Explanation", "Neighbour", "Update", "Word"]
