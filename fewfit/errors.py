"""Every error that fewfit raises on purpose.

Each class has a stable `code` (for programs; the HTTP layer maps it to a status) and an
`exit_code` (what the command line ends with). The class docstring is the default message.
"""

from typing import ClassVar


class FewfitError(Exception):
    """Something went wrong in fewfit."""

    code: ClassVar[str] = "fewfit_error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class InputError(FewfitError):
    """The input cannot be used as it is."""

    code = "input_error"
    exit_code = 3


class DataError(InputError):
    """The data has errors; nothing was trained."""

    code = "data_error"


# Python asks for an attribute with getattr and hasattr, which take an AttributeError for "not there".
class NotFittedError(FewfitError, AttributeError):
    """This classifier is not fitted yet. Call fit(texts, labels) first, or Classifier.load(folder)."""

    code = "not_fitted"


class BaseError(FewfitError):
    """The base cannot be used."""

    code = "base_error"
    exit_code = 4


class BaseNotFoundError(BaseError):
    """The weights of the base are not on this machine and could not be fetched."""

    code = "base_not_found"


class DigestError(BaseError):
    """A file does not have the digest it should have; it was not read."""

    code = "digest_mismatch"


class ArtifactError(FewfitError):
    """The saved model cannot be read."""

    code = "artifact_error"
    exit_code = 5


class MissingExtraError(FewfitError):
    """This needs packages that the plain install leaves out."""

    code = "missing_extra"
    exit_code = 6


class QueueFullError(FewfitError):
    """Too many texts are waiting for an answer; try again shortly."""

    code = "queue_full"
    exit_code = 7


class ModelNotLoadedError(FewfitError):
    """The engine has no model of this name."""

    code = "model_not_loaded"
    exit_code = 5


class Cancelled(FewfitError):  # noqa: N818 - cancelling is not a failure
    """Cancelled; nothing was written."""

    code = "cancelled"
    exit_code = 130
