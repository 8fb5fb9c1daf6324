"""An upload takes the same little memory however large it is, also as a form field without a filename."""

import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.acceptance.sdk.server import LiveServer

SMALL_MB, LARGE_MB = 10, 300
# Beside what a small upload takes. What the server holds at once is 256 KB; the rest is room for the allocator.
ALLOWED_MB = 32


@pytest.fixture
def server(tmp_path: Path, toy_base: Path) -> Iterator[LiveServer]:
    live = LiveServer(tmp_path / "data", {"FEWFIT_DEFAULT_BASE": str(toy_base), "FEWFIT_WORKERS": "0"})
    live.start()
    deadline = time.monotonic() + 120
    while live.request("GET", "/readyz", key=None).json["checks"]["classification"] != "ok":
        assert time.monotonic() < deadline, "what is loaded once is to be there before memory is measured"
        time.sleep(0.2)
    yield live
    live.stop()


def body(size_mb: int) -> Iterator[bytes]:
    yield b'--x\r\nContent-Disposition: form-data; name="data"\r\n\r\n'
    line = b'{"text": "the parcel has not arrived", "label": "delivery"}\r\n' * 1100
    for _ in range(size_mb * 2**20 // len(line)):
        yield line
    # Refused at its end, so that nothing this large is validated.
    yield b'\r\n--x\r\nContent-Disposition: form-data; name="surprise"\r\n\r\nx\r\n--x--\r\n'


def peak_mb(server: LiveServer, size_mb: int) -> float:
    """The most memory that the server had while it received so much."""
    assert server.process is not None
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # forgets the peak so far
    connection = HTTPConnection(server.url.removeprefix("http://"), timeout=120)
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "multipart/form-data; boundary=x"}
    query = "name=large&type=single-label-classification-finetune-input"
    connection.request("POST", f"/v1/datasets?{query}", body(size_mb), headers, encode_chunked=True)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert (answer.status, b"surprise" in content) == (400, True)
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return float(status.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads memory from Linux's /proc")
def test_memory_stays_flat_while_a_large_part_without_a_filename_arrives(server: LiveServer) -> None:
    small = peak_mb(server, SMALL_MB)
    assert peak_mb(server, LARGE_MB) - small < ALLOWED_MB
    assert not any(path.is_file() for path in (server.data / "staging").rglob("*")), "what was received is dropped"
