"""What callers are told of errors."""

import pytest

from fewfit.errors import ArtifactError, BaseNotFoundError, DigestError, FewfitError, InputError
from fewfit.service.errors import DatabaseError, NotFoundError
from fewfit.web.errors import message_of, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BaseNotFoundError("no /srv/weights/x"), 503),
        (DigestError("/srv/weights/x was changed"), 500),
        (ArtifactError("/srv/x is missing"), 500),
    ],
)
def test_folders_of_the_server_are_for_its_log(error: FewfitError, status: int) -> None:
    assert status_of(error) == status
    assert "/srv" not in message_of(error, "abc")
    assert "in the log, under abc" in message_of(error, "abc")


def test_what_the_caller_can_mend_is_told() -> None:
    for error, status in ((InputError("a"), 400), (NotFoundError("b"), 404), (DatabaseError("c"), 503)):
        assert (status_of(error), message_of(error, "abc")) == (status, str(error))
