"""What is wrong with a request itself, and the HTTP status of every error."""

from typing import ClassVar

from fewfit.errors import ArtifactError, BaseError, FewfitError, InputError


class RequestError(InputError):
    """The request cannot be answered as it is."""

    code: ClassVar[str] = "bad_request"


class RequestTimeoutError(RequestError):
    """The request's body did not arrive in time; send it again over a faster connection."""

    code: ClassVar[str] = "request_timeout"


# The status of our errors by their stable code; any other is 400 where the input is at fault, else 500.
STATUS_BY_CODE: dict[str, int] = {
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "busy": 429,
    "rate_limit": 429,
    "store_error": 503,
    "base_not_found": 503,
}


def status_of(error: FewfitError) -> int:
    """The HTTP status of one of our errors."""
    if error.code in STATUS_BY_CODE:
        return STATUS_BY_CODE[error.code]
    return 400 if isinstance(error, InputError) else 500


def message_of(error: FewfitError, request_id: str) -> str:
    """What the caller is told: of the server's own files only where the log has more, which names folders."""
    for kind, what in ((BaseError, "The encoder's weights"), (ArtifactError, "The model's files")):
        if isinstance(error, kind):
            return (
                f"{what} cannot be used on this server for now. Its operator finds why in the log, under {request_id}."
            )
    return str(error)
