"""Fine-tune a text classifier from a few dozen examples and serve it fast, on your own machine."""

from fewfit.classifier import Classifier
from fewfit.errors import FewfitError
from fewfit.version import __version__

__all__ = ["Classifier", "FewfitError", "__version__"]
