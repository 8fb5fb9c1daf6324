"""What the user holds: a text classifier that fits, predicts, evaluates, saves and loads."""

from fewfit.classifier.classifier import Classifier

__all__ = ["Classifier"]
