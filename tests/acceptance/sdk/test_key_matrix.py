"""Every endpoint × every scope × two organisations: a key does what its scopes say, in its own organisation only."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from tests.acceptance.sdk import tickets
from tests.acceptance.sdk.server import Answer, LiveServer

MODELS = "/v1/finetuning/finetuned-models"
FORM = (
    b'--x\r\nContent-Disposition: form-data; name="data"; filename="t.csv"\r\n\r\n'
    + tickets.as_csv(tickets.single())
    + b"\r\n--x--\r\n"
)
SETTINGS = {"base_model": {"base_type": "BASE_TYPE_CLASSIFICATION"}, "dataset_id": "{dataset}"}
EXAMPLES = [{"text": f"text {number}", "label": str(number % 2)} for number in range(4)]


@dataclass(frozen=True)
class Endpoint:
    """One operation with a request for it. `{dataset}`, `{model}` and `{key}` stand for ids."""

    scope: str
    path: str
    body: Any = None
    query: str = ""

    @property
    def method(self) -> str:
        return self.path.partition(" ")[0]

    def send(self, server: LiveServer, key: str | None, ids: dict[str, str]) -> Answer:
        path = self.path.partition(" ")[2].replace("{number}", "1").replace("{precision}", "fp32") + self.query
        body: Any = self.body
        headers = {}
        if body is FORM:
            headers = {"Content-Type": "multipart/form-data; boundary=x"}
        elif body is not None:
            body = json.dumps(body)
            headers = {"Content-Type": "application/json"}
        for name, value in ids.items():
            path = path.replace(f"{{{name}}}", value)
            body = body.replace(f"{{{name}}}", value) if isinstance(body, str) else body
        return server.request(self.method, path, body, key=key, headers=headers)


ENDPOINTS = [
    Endpoint("", "POST /v1/check-api-key"),
    Endpoint("", "POST /v1/tokenize", {"text": "x", "model": "{model}"}),
    Endpoint("", "POST /v1/detokenize", {"tokens": [5], "model": "{model}"}),
    Endpoint("classify", "POST /v1/classify", {"inputs": ["x"], "model": "{model}-ft", "examples": EXAMPLES}),
    Endpoint("read", "GET /v1/models"),
    Endpoint("read", "GET /v1/models/{model}"),
    Endpoint("read", "GET /v1/datasets"),
    Endpoint("read", "GET /v1/datasets/usage"),
    Endpoint("read", "GET /v1/datasets/{dataset}"),
    Endpoint("read", "GET /v1/datasets/{dataset}/report"),
    Endpoint("read", f"GET {MODELS}"),
    Endpoint("read", f"GET {MODELS}/{{model}}"),
    Endpoint("read", f"GET {MODELS}/{{model}}/events"),
    Endpoint("read", f"GET {MODELS}/{{model}}/training-step-metrics"),
    Endpoint("read", f"GET {MODELS}/{{model}}/report"),
    Endpoint("read", f"GET {MODELS}/{{model}}/versions"),
    Endpoint("train", "POST /v1/datasets", FORM, "?name=x&type=single-label-classification-finetune-input"),
    Endpoint("train", "DELETE /v1/datasets/{dataset}"),
    Endpoint("train", f"POST {MODELS}", {"name": "x", "settings": SETTINGS}),
    Endpoint("train", f"PATCH {MODELS}/{{model}}", {"name": "x"}),
    Endpoint("train", f"DELETE {MODELS}/{{model}}"),
    Endpoint("read", f"GET {MODELS}/{{model}}/exports"),
    Endpoint("train", f"POST {MODELS}/{{model}}/exports", {}),
    Endpoint("read", f"GET {MODELS}/{{model}}/exports/{{precision}}"),
    Endpoint("read", f"GET {MODELS}/{{model}}/exports/{{precision}}/file"),
    Endpoint("train", f"POST {MODELS}/{{model}}/distillations", {"texts": [f"text {number}" for number in range(300)]}),
    Endpoint("train", f"POST {MODELS}/{{model}}/versions", {}),
    Endpoint("train", f"POST {MODELS}/{{model}}/versions/{{number}}/promote"),
    Endpoint("train", f"POST {MODELS}/{{model}}/rollback"),
    Endpoint("admin", "GET /v1/keys"),
    Endpoint("admin", "POST /v1/keys", {"name": "x"}),
    Endpoint("admin", "DELETE /v1/keys/{key}"),
]
UNKNOWN = {"dataset": "nothing-123456", "model": "00000000-0000-4000-8000-000000000000", "key": "nothing"}
MAY = {
    "read": {"", "read"},
    "classify": {"", "classify"},
    "train": {"", "read", "train"},
    "admin": {"", "read", "classify", "train", "admin"},
}
each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)


def make_key(server: LiveServer, scopes: str, organization: str) -> str:
    command = [sys.executable, "-c", "from fewfit.cli import main; main()", "keys", "create", f"matrix {scopes}"]
    options = ["--scopes", scopes, "--organization", organization, "--data", str(server.data)]
    environ = os.environ | server.environ
    return subprocess.run([*command, *options], capture_output=True, text=True, check=True, env=environ).stdout.strip()


@pytest.fixture(scope="module")
def keys(server: LiveServer) -> dict[str, str]:
    """A key of the organisation "default" for each scope."""
    made = {}
    for scope in MAY:
        answer = server.request("POST", "/v1/keys", {"name": scope, "scopes": [scope]})
        made[scope] = answer.json["secret"]
    return made


@pytest.fixture(scope="module")
def stranger(server: LiveServer) -> str:
    """A key of another organisation that may do everything there."""
    return make_key(server, "admin", "strangers")


def test_the_table_has_every_endpoint(server: LiveServer) -> None:
    described = server.request("GET", "/openapi.json", key=None).json["paths"]
    keyed = {
        f"{method.upper()} {path}"
        for path, methods in described.items()
        for method in methods
        if path.startswith("/v1/")
    }
    placeholder = {"{dataset}": "{id}", "{model}": "{id}", "{key}": "{id}"}
    table = set()
    for endpoint in ENDPOINTS:
        path = endpoint.path
        if path != "GET /v1/models/{model}":
            for name, wire in placeholder.items():
                path = path.replace(name, wire)
        table.add(path)
    assert table == keyed


@each_endpoint
def test_nothing_is_answered_without_a_key(server: LiveServer, endpoint: Endpoint) -> None:
    for key in (None, "ff_wrong"):
        answer = endpoint.send(server, key, UNKNOWN)
        assert answer.status == 401
        assert set(answer.json) == {"message", "id"}


@each_endpoint
@pytest.mark.parametrize("scope", MAY)
def test_a_key_does_what_its_scopes_say(
    server: LiveServer, keys: dict[str, str], endpoint: Endpoint, scope: str
) -> None:
    # Nothing has these ids, so that what is allowed changes nothing.
    answer = endpoint.send(server, keys[scope], UNKNOWN)
    if endpoint.scope in MAY[scope]:
        assert answer.status in (200, 400, 404), answer.json
    else:
        assert answer.status == 403, answer.json
        assert endpoint.scope in answer.json["message"]


@each_endpoint
def test_another_organisation_sees_and_changes_nothing(
    server: LiveServer, stranger: str, some_dataset: dict[str, Any], some_model: dict[str, Any], endpoint: Endpoint
) -> None:
    own = server.request("GET", "/v1/keys").json["keys"][0]["id"]
    ids = {"dataset": some_dataset["id"], "model": some_model["id"], "key": own}
    answer = endpoint.send(server, stranger, ids)
    written = json.dumps(endpoint.body) if endpoint.body is not FORM else ""
    if any(f"{{{name}}}" in endpoint.path + written for name in ids):
        assert answer.status == 404, answer.json
    else:
        assert answer.status == 200
        assert not any(value.encode() in answer.content for value in ids.values())
