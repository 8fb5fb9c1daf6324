"""Contract section 2: one shape, and the classes that users catch."""

import time

import pytest

from tests.acceptance.sdk.bridge import Sdk, SdkError
from tests.acceptance.sdk.conftest import Connect
from tests.acceptance.sdk.server import LiveServer


def assert_shape(error: SdkError) -> None:
    assert isinstance(error.body["message"], str)
    assert isinstance(error.body["id"], str)


def test_no_key_at_all_is_unauthorized(connect: Connect) -> None:
    for name in ("python7", "node8"):
        with pytest.raises(SdkError) as caught:
            connect(name).list_models(key="")
        assert caught.value.type == "UnauthorizedError"
        assert_shape(caught.value)


def test_errors_are_of_the_family_that_users_catch(sdk: Sdk) -> None:
    with pytest.raises(SdkError) as caught:
        sdk.get_dataset("nothing-here")
    assert caught.value.status == 404
    assert ("ApiError" if sdk.is_python else "CohereError") in caught.value.family
    assert_shape(caught.value)
    assert "nothing-here" in caught.value.message


def test_a_key_without_permission_is_forbidden(sdk: Sdk, server: LiveServer) -> None:
    made = server.request("POST", "/v1/keys", {"name": "only looks", "scopes": ["read"]})
    assert made.status == 200
    key = made.json["secret"]
    assert key.startswith("ff_")
    with pytest.raises(SdkError) as caught:
        sdk.classify(inputs=["x"], examples=[{"text": f"{n}", "label": str(n % 2)} for n in range(4)], key=key)
    assert (caught.value.type, caught.value.status) == ("ForbiddenError", 403)
    assert_shape(caught.value)
    assert sdk.list_datasets(key=key) is not None
    assert server.request("DELETE", f"/v1/keys/{made.json['key']['id']}").json == {}
    with pytest.raises(SdkError) as caught:
        sdk.list_datasets(key=key)
    assert caught.value.type == "UnauthorizedError"


def test_mistakes_are_answered_once_and_at_once(sdk: Sdk) -> None:
    started = time.monotonic()
    with pytest.raises(SdkError):
        sdk.get_model("nothing")
    # A retried status would take three calls and about three seconds.
    assert time.monotonic() - started < 1
