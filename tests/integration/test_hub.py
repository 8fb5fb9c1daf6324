"""The real huggingface_hub library against a small Hub of our own on the loopback interface."""

import hashlib
import json
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

COMMIT = "d" * 40


@dataclass
class SmallHub:
    """Serves one repository's files as the Hub does, and remembers what it was asked."""

    folder: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def handler(hub) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - self is the request here
        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer(with_body=False)

            def do_GET(self) -> None:
                self.answer(with_body=True)

            def answer(self, *, with_body: bool) -> None:
                path = self.path.split("?")[0]
                if path != "/":
                    hub.asked.append(f"{self.command} {path}")
                files = {p.relative_to(hub.folder).as_posix(): p for p in hub.folder.rglob("*") if p.is_file()}
                name = path.partition("/resolve/")[2].partition("/")[2]
                if path.startswith("/api/models/org/toy"):
                    siblings = [{"rfilename": name, "size": p.stat().st_size} for name, p in files.items()]
                    self.send(
                        200, json.dumps({"id": "org/toy", "sha": COMMIT, "siblings": siblings}).encode(), with_body
                    )
                elif path.startswith("/org/toy/resolve/") and name in files:
                    body = files[name].read_bytes()
                    self.send(
                        200, body, with_body, ETag=f'"{hashlib.sha256(body).hexdigest()}"', **{"X-Repo-Commit": COMMIT}
                    )
                else:
                    self.send(404, b"not found", with_body, **{"X-Error-Code": "RepoNotFound"})

            def send(self, status: int, body: bytes, with_body: bool, **headers: str) -> None:
                self.send_response(status)
                for key, value in (headers | {"Content-Length": str(len(body))}).items():
                    self.send_header(key, value)
                self.end_headers()
                if with_body:
                    self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
                pass

        return Handler


@pytest.fixture
def small_hub(toy_base: Path) -> Iterator[SmallHub]:
    hub = SmallHub(toy_base)
    server = ThreadingHTTPServer(("127.0.0.1", 0), hub.handler())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()


PRELUDE = """
import json, sys
from dataclasses import asdict, replace
from pathlib import Path
from fewfit.encoders import bases, weights
from fewfit.errors import FewfitError
from tests.unit.encoders.toy_wheels import toy_base_in_a_wheel

told = []
toy = toy_base_in_a_wheel(Path(sys.argv[1]), Path(sys.argv[2]))
toy = replace(toy, package=None, hub_id="org/toy", revision="d" * 40)
"""


def run(script: str, hub: SmallHub, tmp_path: Path, **environment: str) -> Any:
    """Run a script in a process of its own: the library reads its settings when it is imported."""
    result = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script), str(hub.folder), str(tmp_path / "shelf")],
        cwd=Path(__file__).parents[2],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "HF_HOME": str(tmp_path / "hf"),
            "HF_ENDPOINT": hub.url,
            "FEWFIT_CACHE": str(tmp_path / "cache"),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


LOCATE_KNOWN = """
bases._BASES = (toy,)
try:
    found = weights.locate("toy", on_progress=told.append)
    print(json.dumps([found.name, found.source, str(found.folder), [asdict(event) for event in told]]))
except FewfitError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


def test_a_known_base_comes_from_the_hub_and_then_from_its_cache(small_hub: SmallHub, tmp_path: Path) -> None:
    name, source, folder, told = run(LOCATE_KNOWN, small_hub, tmp_path)
    assert (name, source) == ("toy", "the Hugging Face Hub")
    assert Path(folder).name == COMMIT
    of_toy = [path for path in small_hub.asked if "/org/toy" in path]
    assert of_toy
    assert all(f"/resolve/{COMMIT}/" in path for path in of_toy)
    assert told[-1]["message"] == "Downloading from the Hugging Face Hub"
    done = [event["done_bytes"] for event in told]
    assert done == sorted(done)
    assert done[-1] > 50_000

    small_hub.asked.clear()
    name, source, again, _ = run(LOCATE_KNOWN, small_hub, tmp_path)
    assert (name, source, again) == ("toy", "the Hugging Face cache", folder)
    assert small_hub.asked == []


def test_a_damaged_file_in_the_hugging_face_cache_is_fetched_again(small_hub: SmallHub, tmp_path: Path) -> None:
    _, _, folder, _ = run(LOCATE_KNOWN, small_hub, tmp_path)
    (Path(folder) / "config.json").resolve().write_text("{}")
    small_hub.asked.clear()
    name, source, *_ = run(LOCATE_KNOWN, small_hub, tmp_path)
    assert (name, source) == ("toy", "the Hugging Face Hub")
    fetched = [path for path in small_hub.asked if path.startswith("GET /org/toy")]
    assert fetched == [f"GET /org/toy/resolve/{COMMIT}/config.json"]


def test_a_hub_with_other_files_is_refused(small_hub: SmallHub, tmp_path: Path, toy_base: Path) -> None:
    script = """
    toy = replace(toy, files={name: sha if name != "modules.json" else "0" * 64 for name, sha in toy.files.items()})
    """ + textwrap.indent(LOCATE_KNOWN, "    ")
    error, message = run(script, small_hub, tmp_path)
    assert error == "DigestError"
    assert "the Hugging Face Hub are not the pinned ones: modules.json has SHA-256" in message


def test_any_repository_is_fetched_without_pickles_and_code(small_hub: SmallHub, tmp_path: Path) -> None:
    copied = tmp_path / "repository"
    small_hub.folder = Path(shutil.copytree(small_hub.folder, copied))
    for name in ("pytorch_model.bin", "modeling_toy.py", "onnx/model.onnx", "README.md"):
        (copied / name).parent.mkdir(exist_ok=True)
        (copied / name).write_text("unwanted")
    script = """
    found = weights.locate("org/toy", on_progress=told.append)
    files = sorted(p.relative_to(found.folder).as_posix() for p in found.folder.rglob("*") if p.is_file())
    print(json.dumps([found.name, found.source, found.digest == weights.locate(sys.argv[1]).digest, files]))
    """
    name, source, same, files = run(script, small_hub, tmp_path)
    assert (name, source, same) == ("org/toy", "the Hugging Face Hub", True)
    assert not {"pytorch_model.bin", "modeling_toy.py", "onnx/model.onnx", "README.md"} & set(files)
    assert {"config.json", "model.safetensors", "1_Pooling/config.json"} <= set(files)

    small_hub.asked.clear()
    assert run(script, small_hub, tmp_path)[1] == "the Hugging Face cache"
    assert small_hub.asked == []


def test_a_repository_that_the_hub_does_not_have(small_hub: SmallHub, tmp_path: Path) -> None:
    script = """
    try:
        weights.locate("org/nowhere")
    except FewfitError as error:
        print(json.dumps([type(error).__name__, str(error)]))
    """
    error, message = run(script, small_hub, tmp_path)
    assert error == "BaseNotFoundError"
    assert "2. the Hugging Face Hub: org/nowhere: 404" in message


def test_offline_mode_is_respected(small_hub: SmallHub, tmp_path: Path) -> None:
    error, message = run(LOCATE_KNOWN, small_hub, tmp_path, HF_HUB_OFFLINE="1")
    assert error == "BaseNotFoundError"
    assert "the Hugging Face Hub: HF_HUB_OFFLINE is set, so it was not asked." in message
    assert small_hub.asked == []


def test_a_machine_without_a_network_knows_it_at_once(small_hub: SmallHub, tmp_path: Path) -> None:
    error, message = run(LOCATE_KNOWN, small_hub, tmp_path, HF_ENDPOINT="http://127.0.0.1:1")
    assert error == "BaseNotFoundError"
    assert "the Hugging Face Hub: it cannot be reached ([Errno 111] Connection refused)." in message
