"""What the service refuses, and why; the HTTP layer maps each code to a status."""

from fewfit.errors import FewfitError, InputError


class NotFoundError(FewfitError):
    """There is nothing with this id."""

    code = "not_found"
    exit_code = 3


class UnauthorizedError(FewfitError):
    """The API key is missing, wrong, expired or revoked."""

    code = "unauthorized"


class ForbiddenError(FewfitError):
    """The API key may not do this."""

    code = "forbidden"


class NotReadyError(InputError):
    """The model is not ready yet."""

    code = "not_ready"


class LimitError(InputError):
    """This is larger than the service allows."""

    code = "limit_exceeded"


class BusyError(FewfitError):
    """The service has too much to do at the moment. Try again after `retry_after_s` seconds."""

    code = "busy"

    def __init__(self, message: str | None = None, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RateLimitError(BusyError):
    """The key has made more requests than it may."""

    code = "rate_limit"


class LostLeaseError(FewfitError):
    """The job was cancelled, or another worker has taken it up; what this worker does no longer counts."""

    code = "lost_lease"


class WaitingError(FewfitError):
    """A job cannot be done yet. It goes back into the queue for a while."""

    code = "waiting"


class StoreError(FewfitError):
    """The database or the file store cannot be used."""

    code = "store_error"


class DatabaseError(StoreError):
    """The database does not answer, or gave up; what was asked of it has not happened. Try again in a moment."""


class FilesError(StoreError):
    """The file store does not answer, is full, or gave up. Try again in a moment."""
