"""`fewfit serve` and `fewfit keys` as a person runs them."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.acceptance.sdk.server import Answer, LiveServer

FEWFIT = (sys.executable, "-c", "from fewfit.cli import main; main()")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, toy_base: Path) -> Iterator[LiveServer]:
    """A running server; a test that stops it starts it again."""
    environ = {"FEWFIT_DEFAULT_BASE": str(toy_base), "FEWFIT_BODY_TIMEOUT_S": "0.5", "FEWFIT_WORKER_NICE": "0"}
    live = LiveServer(tmp_path_factory.mktemp("serve"), environ)
    live.start()
    yield live
    live.stop()


def fewfit(*arguments: str, expect: int = 0, **environ: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [*FEWFIT, *arguments], capture_output=True, text=True, env=os.environ | environ, timeout=60, check=False
    )
    assert done.returncode == expect, done.stderr
    return done


def wait_for_readiness(server: LiveServer) -> None:
    deadline = time.monotonic() + 60
    while (answer := server.request("GET", "/readyz", key=None)).status != 200:
        assert time.monotonic() < deadline, answer.json
        time.sleep(0.2)


def test_the_admin_key_is_printed_once_and_works_after_a_restart(server: LiveServer) -> None:
    assert server.request("POST", "/v1/check-api-key").json["valid"] is True
    assert sum("admin key: ff_" in line for line in server.lines) == 1
    assert server.stop() == 0
    before = len(server.lines)
    server.start()
    assert not any("admin key" in line for line in server.lines[before:])
    assert server.request("POST", "/v1/check-api-key").json["valid"] is True


def test_a_stop_lets_requests_finish_and_ends_the_worker(server: LiveServer) -> None:
    wait_for_readiness(server)
    answers: list[Answer] = []
    examples = [{"text": f"text {number}", "label": str(number % 2)} for number in range(400)]

    def ask() -> None:
        answers.append(server.request("POST", "/v1/classify", {"inputs": ["x"] * 96, "examples": examples}))

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.2)
    assert server.stop() == 0
    asking.join()
    assert answers[0].status == 200
    assert any("has stopped" in line for line in server.lines), "the worker says goodbye"
    server.start()


def test_a_body_that_stops_arriving_is_refused(server: LiveServer) -> None:
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = (
            f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\nContent-Length: 100\r\n"
            "Content-Type: application/json\r\n\r\n{"
        )
        connection.sendall(head.encode())
        answer = HTTPResponse(connection)
        answer.begin()
        assert answer.status == 400
        assert "stopped arriving" in json.loads(answer.read())["message"]


def test_keys_are_made_listed_and_revoked(server: LiveServer) -> None:
    data = ("--data", str(server.data))
    secret = fewfit("keys", "create", "web shop", "--scopes", "classify,read", *data).stdout.strip()
    assert secret.startswith("ff_")
    assert server.request("GET", "/v1/datasets", key=secret).status == 200
    assert server.request("GET", "/v1/keys", key=secret).status == 403
    listed = json.loads(fewfit("keys", "list", "--json", *data).stdout)
    (key,) = [one for one in listed if one["name"] == "web shop"]
    assert set(key["scopes"]) == {"classify", "read"}
    assert secret not in json.dumps(listed)
    assert "web shop" in fewfit("keys", "list", *data).stdout
    fewfit("keys", "revoke", key["id"], *data)
    deadline = time.monotonic() + 10
    while server.request("GET", "/v1/datasets", key=secret).status != 401:
        assert time.monotonic() < deadline, "running servers notice within seconds"
        time.sleep(0.2)


def test_a_public_address_needs_a_key_first(tmp_path: Path) -> None:
    done = fewfit("serve", "--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path / "data"), expect=3)
    assert "fewfit keys create admin --scopes admin" in " ".join(done.stderr.split())
    assert "admin key" not in done.stdout


def test_a_port_that_is_taken_is_an_error_with_advice(server: LiveServer, tmp_path: Path) -> None:
    for port in (server.url.rpartition(":")[2], "99999"):
        done = fewfit("serve", "--port", port, "--data", str(tmp_path / "other"), expect=3)
        assert port in done.stderr
        assert "--port" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(("--port", "x"), "port"), (("--min-examples", "1"), "min_examples"), (("--public-url", "ftp://x"), "public_url")],
)
def test_settings_that_cannot_be_are_named(tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    done = subprocess.run(
        [*FEWFIT, "serve", *arguments, "--data", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode in (2, 3)
    assert word in done.stderr
