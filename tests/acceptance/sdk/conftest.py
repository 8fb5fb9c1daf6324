import os
import time
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import Any

import pytest

from fewfit.testing import write_toy_base
from tests.acceptance.sdk import tickets
from tests.acceptance.sdk.bridge import Sdk, encoded
from tests.acceptance.sdk.packages import PACKAGES
from tests.acceptance.sdk.server import LiveServer
from tests.integration.service.conftest import postgresql

__all__ = ["postgresql"]

SINGLE = "single-label-classification-finetune-input"
MULTI = "multi-label-classification-finetune-input"
Connect = Callable[[str], Sdk]


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose models stand on a tiny encoder that knows the words, so that training takes moments.

    It stores in SQLite, or where FEWFIT_TEST_DATABASE says so in a real PostgreSQL: `make test` does both.
    """
    words = [text for text, _ in tickets.single()]
    base = write_toy_base(tmp_path_factory.mktemp("bases") / "toy", hidden=128, layers=1, texts=words, vocabulary=600)
    environ = {
        "FEWFIT_DEFAULT_BASE": str(base),
        "FEWFIT_EFFORT": "quick",
        "FEWFIT_POLL_INTERVAL_S": "0.05",
        "FEWFIT_WORKER_NICE": "0",  # nothing else is measured here
        "OMP_NUM_THREADS": "1",
    }
    if os.environ.get("FEWFIT_TEST_DATABASE") == "postgresql":
        environ["FEWFIT_DATABASE_URL"] = request.getfixturevalue("postgresql")
    live = LiveServer(tmp_path_factory.mktemp("server"), environ)
    live.start()
    yield live
    live.stop()


@pytest.fixture(scope="session")
def connect(server: LiveServer) -> Iterator[Connect]:
    """Gives the SDK of a name, connected to the server; each is started once."""
    running: dict[str, Sdk] = {}

    def get(name: str) -> Sdk:
        if name not in running:
            running[name] = Sdk(name, server.url, server.key)
        return running[name]

    yield get
    for sdk in running.values():
        sdk.close()


@pytest.fixture(params=list(PACKAGES), scope="session")
def sdk(request: pytest.FixtureRequest, connect: Connect) -> Sdk:
    """Each version of each SDK in turn."""
    return connect(request.param)


@pytest.fixture(params=["python5", "python7"], scope="session")
def python(request: pytest.FixtureRequest, connect: Connect) -> Sdk:
    return connect(request.param)


@pytest.fixture(params=["node7", "node8"], scope="session")
def node(request: pytest.FixtureRequest, connect: Connect) -> Sdk:
    return connect(request.param)


def a_file(sdk: Sdk, name: str, content: bytes) -> Any:
    """A named file as users of this SDK hand it over."""
    return (
        {"$tuple": [name, encoded("bytes", content)]}
        if sdk.is_python
        else {"$file": [name, encoded("b", content)["$b"]]}
    )


def wait_for_dataset(sdk: Sdk, dataset_id: str, *, timeout_s: float = 60) -> dict[str, Any]:
    """Asks for a dataset until it is validated or failed."""
    deadline = time.monotonic() + timeout_s
    while True:
        dataset = sdk.get_dataset(dataset_id)
        assert dataset["validation_status"] in ("queued", "processing", "validated", "failed")
        if dataset["validation_status"] in ("validated", "failed"):
            return dataset
        assert time.monotonic() < deadline, dataset
        time.sleep(0.05)


def wait_for_model(sdk: Sdk, model_id: str, *, timeout_s: float = 180) -> dict[str, Any]:
    """Asks for a model until it is ready or failed."""
    deadline = time.monotonic() + timeout_s
    seen = {"STATUS_QUEUED", "STATUS_FINETUNING", "STATUS_DEPLOYING_API", "STATUS_READY", "STATUS_FAILED"}
    while True:
        model = sdk.get_model(model_id)
        assert model["status"] in seen
        if model["status"] in ("STATUS_READY", "STATUS_FAILED"):
            return model
        assert time.monotonic() < deadline, model
        time.sleep(0.1)


class Journey:
    """What one SDK has made on the server; each thing is made when it is first asked for."""

    def __init__(self, sdk: Sdk) -> None:
        self._sdk = sdk

    @cached_property
    def dataset(self) -> dict[str, Any]:
        """A validated single-label dataset."""
        data = a_file(self._sdk, "tickets.csv", tickets.as_csv(tickets.single()))
        found = wait_for_dataset(self._sdk, self._sdk.create_dataset(data, name="tickets", type=SINGLE))
        assert found["validation_status"] == "validated", found
        return found

    @cached_property
    def model(self) -> dict[str, Any]:
        """A single-label model that is ready."""
        hyperparameters = {"train_epochs": 3}
        created = self._sdk.create_model("ticket-router", self.dataset["id"], hyperparameters=hyperparameters)
        found = wait_for_model(self._sdk, created["id"])
        assert found["status"] == "STATUS_READY", found
        return found


@pytest.fixture(scope="session")
def journey(connect: Connect) -> Callable[[str], Journey]:
    """The journey of an SDK by its name."""
    return cache(lambda name: Journey(connect(name)))


@pytest.fixture
def dataset(sdk: Sdk, journey: Callable[[str], Journey]) -> dict[str, Any]:
    return journey(sdk.name).dataset


@pytest.fixture
def model(sdk: Sdk, journey: Callable[[str], Journey]) -> dict[str, Any]:
    return journey(sdk.name).model


@pytest.fixture
def python_dataset(python: Sdk, journey: Callable[[str], Journey]) -> dict[str, Any]:
    return journey(python.name).dataset


@pytest.fixture
def python_model(python: Sdk, journey: Callable[[str], Journey]) -> dict[str, Any]:
    return journey(python.name).model


@pytest.fixture
def some_dataset(journey: Callable[[str], Journey]) -> dict[str, Any]:
    """A validated dataset, for tests that are about the server only."""
    return journey("python7").dataset


@pytest.fixture
def some_model(journey: Callable[[str], Journey]) -> dict[str, Any]:
    """A model that is ready, for tests that are about the server only."""
    return journey("python7").model


@pytest.fixture(scope="session")
def multi_model(connect: Connect) -> dict[str, Any]:
    """A multi-label model that is ready. One for all SDKs: what differs between them is not how it is trained."""
    sdk = connect("python7")
    content = tickets.as_jsonl(tickets.multi())
    dataset_id = sdk.create_dataset(a_file(sdk, "genres.jsonl", content), name="several labels", type=MULTI)
    validated = wait_for_dataset(sdk, dataset_id)
    assert validated["validation_status"] == "validated", validated
    found = wait_for_model(sdk, sdk.create_model("several", dataset_id)["id"])
    assert found["status"] == "STATUS_READY", found
    return found
