"""Many clients at once, while a model is being trained beside: nothing is lost, nothing is mixed up."""

import json
import re
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from fewfit.testing import write_toy_base
from tests.acceptance.sdk import tickets
from tests.acceptance.sdk.server import LiveServer
from tests.integration.service.test_server_crashes import MODELS, wait

CLIENTS = 64
REQUESTS = 15
SINGLE = "single-label-classification-finetune-input"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    words = [text for text, _ in tickets.single()]
    base = write_toy_base(tmp_path_factory.mktemp("bases") / "toy", hidden=64, layers=2, texts=words, vocabulary=600)
    environ = {"FEWFIT_DEFAULT_BASE": str(base), "FEWFIT_POLL_INTERVAL_S": "0.05", "OMP_NUM_THREADS": "1"}
    live = LiveServer(tmp_path_factory.mktemp("load"), environ)
    live.start()
    yield live
    live.stop()


def a_model(server: LiveServer, content: bytes, **hyperparameters: object) -> str:
    body = b'--x\r\nContent-Disposition: form-data; name="data"; filename="a.csv"\r\n\r\n%s\r\n--x--\r\n' % content
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    dataset = server.request("POST", f"/v1/datasets?name=load&type={SINGLE}", body, headers=headers).json["id"]
    wait(
        lambda: str(server.request("GET", f"/v1/datasets/{dataset}").json["dataset"]["validation_status"]),
        until=("validated",),
    )
    settings = {
        "base_model": {"base_type": "BASE_TYPE_CLASSIFICATION"},
        "dataset_id": dataset,
        "hyperparameters": hyperparameters,
    }
    return str(server.request("POST", MODELS, {"name": "m", "settings": settings}).json["finetuned_model"]["id"])


def status(server: LiveServer, model: str) -> str:
    return str(server.request("GET", f"{MODELS}/{model}").json["finetuned_model"]["status"])


def confidences(answer: dict[str, Any]) -> list[dict[str, float]]:
    return [{label: one["confidence"] for label, one in item["labels"].items()} for item in answer["classifications"]]


class Client(threading.Thread):
    """One connection that asks again and again, as a program of a user does."""

    def __init__(self, server: LiveServer, number: int, models: list[str], start: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self.model = models[number % len(models)]
        self.asked = [
            [f"{text} {(number + request) % 7}" for text in list(tickets.QUESTIONS.values())[: 1 + request % 3]]
            for request in range(REQUESTS)
        ]
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self._connection = HTTPConnection(urlsplit(server.url).netloc, timeout=120)
        self._headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
        self._begin = start

    def run(self) -> None:
        self._begin.wait()
        for inputs in self.asked:
            body = json.dumps({"model": f"{self.model}-ft", "inputs": inputs})
            self._connection.request("POST", "/v1/classify", body, self._headers)
            response = self._connection.getresponse()
            self.answers.append((response.status, json.loads(response.read())))
        self._connection.close()


def test_many_clients_get_the_right_answers_while_a_model_is_trained(server: LiveServer) -> None:
    other = [
        (text, {"billing": "money", "delivery": "parcel", "account": "access"}[label])
        for text, label in tickets.single()
    ]
    models = [a_model(server, tickets.as_csv(rows), train_epochs=2) for rows in (tickets.single(), other)]
    for model in models:
        wait(lambda model=model: status(server, model), until=("STATUS_READY",))  # type: ignore[misc]
    expected = {
        (model, text): confidences(server.request("POST", "/v1/classify", {"model": model, "inputs": [text]}).json)[0]
        for model in models
        for question in tickets.QUESTIONS.values()
        for text in (f"{question} {number}" for number in range(7))
    }
    many = [(f"{text} {number}", label) for text, label in tickets.single() for number in range(20)]
    training = a_model(server, tickets.as_csv(many), train_epochs=100)
    wait(lambda: status(server, training), until=("STATUS_FINETUNING",))

    start = threading.Barrier(CLIENTS)
    clients = [Client(server, number, models, start) for number in range(CLIENTS)]
    before = counted(server)
    for client in clients:
        client.start()
    for client in clients:
        client.join(timeout=240)
    assert status(server, training) == "STATUS_FINETUNING", "the training was to go on all the time"

    for client in clients:
        assert [found for found, _ in client.answers] == [200] * REQUESTS
        for inputs, (_, answer) in zip(client.asked, client.answers, strict=True):
            assert [item["input"] for item in answer["classifications"]] == inputs
            for text, found in zip(inputs, confidences(answer), strict=True):
                assert found == pytest.approx(expected[client.model, text], abs=1e-5)
    assert counted(server) - before == CLIENTS * REQUESTS
    # Training was not hurt either: it goes on, and can be stopped.
    assert server.request("DELETE", f"{MODELS}/{training}").json == {}
    assert server.request("GET", "/readyz", key=None).status == 200


def counted(server: LiveServer) -> int:
    """Classify requests that were answered well, as the server counts them."""
    figures = server.request("GET", "/metrics", key=None).content.decode()
    found = re.findall(
        r'^fewfit_requests_total\{method="POST",route="/v1/classify",status="200"\} ([\d.e+]+)', figures, re.MULTILINE
    )
    return int(float(found[0])) if found else 0
