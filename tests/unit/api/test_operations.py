from unittest.mock import Mock

from fastapi.testclient import TestClient

from fewfit.api.app import create_api
from fewfit.service.errors import DatabaseError
from fewfit.settings import Settings


def test_figures_of_the_server_itself_are_there_while_the_database_is_away() -> None:
    service = Mock()
    service.counts.side_effect = DatabaseError
    answer = TestClient(create_api(service, Settings())).get("/metrics")
    assert answer.status_code == 200
    assert "fewfit_requests_in_flight" in answer.text
    assert "fewfit_jobs" not in answer.text
