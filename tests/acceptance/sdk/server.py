"""A live server: `fewfit serve` in a process of its own, on a free port of this machine."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_START_S = 180


@dataclass(frozen=True)
class Answer:
    """What the server sent."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass
class LiveServer:
    """`fewfit serve` with a data folder; `key` is the admin key that it printed on its first start."""

    data: Path
    environ: dict[str, str]
    url: str = ""
    key: str = ""
    lines: list[str] = field(default_factory=list)
    process: "subprocess.Popen[str] | None" = None

    def start(self) -> None:
        command = [
            *(sys.executable, "-c", "from fewfit.cli import main; main()"),
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--data",
            str(self.data),
        ]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("FEWFIT_")}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ | self.environ
        )
        self.url = ""
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        deadline = time.monotonic() + _START_S
        while not self.url:
            assert self.process.poll() is None, "".join(self.lines)
            assert time.monotonic() < deadline, "the server printed no URL:\n" + "".join(self.lines)
            time.sleep(0.02)

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line)
            if found := re.search(r"admin key: (ff_\S+)", line):
                self.key = found[1]
            if found := re.search(r"(http://127\.0\.0\.1:\d+)", line):
                self.url = found[1]

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | dict[str, Any] | None = None,
        *,
        key: str | None = "",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request as it is, without an SDK. The admin key is sent unless another is given, or None."""
        sent = dict(headers or {})
        if isinstance(body, dict):
            body = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        if key is not None:
            sent.setdefault("Authorization", f"Bearer {key or self.key}")
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()
