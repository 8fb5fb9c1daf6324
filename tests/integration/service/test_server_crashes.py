"""Nothing that a server has accepted is lost when it is killed, and nothing else is half there."""

import json
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from fewfit.service.store.failpoints import VARIABLE
from tests.acceptance.sdk.server import Answer, LiveServer
from tests.integration.service.test_crashes import KILLED, check_consistency
from tests.unit.service.shop import SINGLE, Shop, jsonl, settings_for, single_rows

MODELS = "/v1/finetuning/finetuned-models"
_CLASSIFICATION = {"base_type": "BASE_TYPE_CLASSIFICATION"}


def upload(server: LiveServer, name: str) -> Answer:
    content = jsonl(single_rows(16 + len(name)))  # each point its own content, so that no file is there before
    body = b'--x\r\nContent-Disposition: form-data; name="data"; filename="a.jsonl"\r\n\r\n%s\r\n--x--\r\n' % content
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    return server.request("POST", f"/v1/datasets?name={name}&type={SINGLE}", body, headers=headers)


def wait(ask: Callable[[], str], *, until: tuple[str, ...]) -> str:
    deadline_s = time.monotonic() + 120
    while (found := ask()) not in until:
        assert time.monotonic() < deadline_s, found
        time.sleep(0.1)
    return found


@pytest.fixture
def prepared(tmp_path: Path, small_base: Path) -> tuple[Path, str, str]:
    """A data folder with a validated dataset and a ready model."""
    shop = Shop(settings_for(tmp_path, small_base))
    model = shop.model()
    shop.close()
    return shop.service.settings.data, model.dataset_id, model.id


def test_a_server_may_be_killed_anywhere(prepared: tuple[Path, str, str], tmp_path: Path, small_base: Path) -> None:
    data, dataset_id, model_id = prepared
    create = {"name": "m", "settings": {"base_model": _CLASSIFICATION, "dataset_id": dataset_id}}
    requests: dict[str, Callable[[LiveServer], Answer]] = {
        "upload.received": lambda server: upload(server, "received"),
        "upload.registered": lambda server: upload(server, "registered"),
        "upload.stored": lambda server: upload(server, "stored"),
        "dataset.created": lambda server: upload(server, "created"),
        "model.created": lambda server: server.request("POST", MODELS, create),
        "export.queued": lambda server: server.request("POST", f"{MODELS}/{model_id}/exports", {}),
    }
    environ = {
        "FEWFIT_DEFAULT_BASE": str(small_base),
        "FEWFIT_EFFORT": "quick",
        "FEWFIT_POLL_INTERVAL_S": "0.05",
        "OMP_NUM_THREADS": "1",
    }
    key = ""
    for point, request in requests.items():
        server = LiveServer(data, environ | {VARIABLE: point, "FEWFIT_WORKERS": "0"}, key=key)
        server.start()
        key = server.key
        with pytest.raises((OSError, HTTPException)):
            request(server)
        assert server.process is not None
        assert server.process.wait(timeout=30) == KILLED, "".join(server.lines)
        server.process.stdout.close()  # type: ignore[union-attr]

    server = LiveServer(data, environ, key=key)
    server.start()
    try:
        datasets = _ask(server, "/v1/datasets")["datasets"]
        # The clients got no answer; of what they sent, only what was wholly accepted is there.
        assert sorted(one["name"] for one in datasets) == ["created", "tickets"]
        (created,) = (one["id"] for one in datasets if one["name"] == "created")
        path = f"/v1/datasets/{created}"
        wait(lambda: str(_ask(server, path)["dataset"]["validation_status"]), until=("validated",))
        models = {one["id"]: one for one in _ask(server, MODELS)["finetuned_models"]}
        assert len(models) == 2
        for made in models:
            wait(
                lambda path=f"{MODELS}/{made}": str(_ask(server, path)["finetuned_model"]["status"]),  # type: ignore[misc]
                until=("STATUS_READY",),
            )
            found = server.request("POST", "/v1/classify", {"model": f"{made}-ft", "inputs": ["the parcel is late"]})
            assert found.status == 200
        path = f"{MODELS}/{model_id}/exports/fp32"
        wait(lambda: str(_ask(server, path)["export"]["status"]), until=("ready",))
        file = server.request("GET", f"{path}/file")
        assert len(file.content) == _ask(server, path)["export"]["size_bytes"]
        # They try again, as SDKs do.
        for name in ("received", "registered", "stored"):
            assert upload(server, name).status == 200
    finally:
        server.stop()
    shop = Shop(settings_for(tmp_path, small_base))
    shop.work()
    check_consistency(shop)
    shop.close()


def _ask(server: LiveServer, path: str) -> dict[str, Any]:
    answer = server.request("GET", path)
    assert answer.status == 200, answer.content
    found: dict[str, Any] = json.loads(answer.content)
    return found
