"""Fine-tune a text classifier from a few dozen examples and serve it fast, on your own machine."""

from fewfit.errors import FewfitError

__version__ = "0.1.0"

__all__ = ["FewfitError", "__version__"]
