"""Requests that nobody thought of: schemathesis makes them from the OpenAPI description."""

from typing import Any
from unittest.mock import Mock

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok

from fewfit.api.app import create_api
from fewfit.settings import Settings
from tests.acceptance.sdk.server import LiveServer

# Not schemathesis's own pytest plug-in: it does not work with pytest 9.2.
DESCRIPTION = schemathesis.openapi.from_dict(create_api(Mock(), Settings()).openapi())
FOUND = [found.ok() for found in DESCRIPTION.get_all_operations() if isinstance(found, Ok)]
OPERATIONS = {operation.label: operation for operation in FOUND}


@pytest.mark.parametrize("label", OPERATIONS)
def test_any_request_is_answered_in_our_shape(label: str, server: LiveServer) -> None:
    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,  # a failure is one that everybody sees
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[label].as_strategy())
    def check(case: Any) -> None:
        headers = {"Authorization": f"Bearer {server.key}"}
        response = case.call(base_url=server.url, headers=headers, timeout=60)
        if label != "GET /readyz":
            case.validate_response(response, checks=[not_a_server_error])
        assert response.status_code != 422
        if response.status_code >= 400:
            assert response.json()["message" if label != "GET /readyz" else "checks"]

    check()
