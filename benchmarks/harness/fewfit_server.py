"""Our own server under load: it trains the model that answers, and jobs beside it, through its API."""

import json
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.harness.errors import BenchmarkError
from benchmarks.harness.http_servers import LOGS, Cores, HttpServer, fewfit_command
from benchmarks.harness.wrk import Ask

_SINGLE = "single-label-classification-finetune-input"
_MODELS = "/v1/finetuning/finetuned-models"
_TRAINED_S = 600.0


class FewfitServer(HttpServer):
    """`fewfit serve` with a data folder and a model that is trained by `train`."""

    name = "fewfit"

    def __init__(self, about: Mapping[str, Any], cores: Cores, *, data: Path, key: str = "", model: str = "") -> None:
        self.data = data
        self.key = key
        self.model = model
        super().__init__(about, cores)

    @classmethod
    def trained(cls, about: Mapping[str, Any], data: Path) -> "FewfitServer":
        """A server on a new data folder, with a model trained on the texts of `about`. Close it to start it again."""
        shutil.rmtree(data, ignore_errors=True)
        server = cls(about, None, data=data)
        try:
            with server.awake():
                dataset = server.upload(about["texts"], about["targets"])
                server.model = server.create(dataset)
                server.wait(server.model, "STATUS_READY")
                server.request("/v1/classify", server.ask().body(["ready?"]), server.headers)
        except BaseException:
            server.close()
            raise
        return server

    @property
    def folder(self) -> Path:
        """The artifact of the model."""
        return self.data / "cache" / "models" / f"{self.model}-1"

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.key}"}

    def command(self) -> list[str]:
        """The command as a user types it."""
        base, threads = str(self.about["base"]), str(self.about["threads"])
        more = ["--default-base", base, "--workers", str(self.about.get("workers", 1)), "--serving-threads", threads]
        return fewfit_command(self.port, self.data, more)

    def ask(self, speed: str | None = None) -> Ask:
        """A list of texts, as the SDKs send them; with a speed, that too."""
        more = f'"speed":"{speed}",' if speed else ""
        before = f'{{"model":"{self.model}-ft","truncate":"END",{more}"inputs":['
        return Ask(f"http://127.0.0.1:{self.port}/v1/classify", before, "]}", self.headers)

    def upload(self, texts: Sequence[str], labels: Sequence[str]) -> str:
        """A dataset, validated."""
        rows = "\n".join(json.dumps({"text": text, "label": label}) for text, label in zip(texts, labels, strict=True))
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="data"; filename="a.jsonl"\r\n\r\n'
        body = f"{head}{rows}\r\n--{boundary}--\r\n".encode()
        headers = self.headers | {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        found = self.request(f"/v1/datasets?name=load&type={quote(_SINGLE)}", body, headers)
        until_s = time.monotonic() + _TRAINED_S
        while True:
            dataset = self.request(f"/v1/datasets/{found['id']}", None, self.headers, "GET")["dataset"]
            if dataset["validation_status"] == "validated":
                return str(found["id"])
            if dataset["validation_status"] == "failed" or time.monotonic() > until_s:
                raise BenchmarkError(f"The texts cannot be trained on: {dataset}")
            time.sleep(0.2)

    def create(self, dataset: str, **hyperparameters: object) -> str:
        """A model whose training is queued."""
        settings = {
            "base_model": {"base_type": "BASE_TYPE_CLASSIFICATION"},
            "dataset_id": dataset,
            "hyperparameters": hyperparameters,
        }
        body = json.dumps({"name": "load", "settings": settings}).encode()
        return str(self.request(_MODELS, body, self.headers)["finetuned_model"]["id"])

    def distil(self, texts: Sequence[str]) -> None:
        """Gives the model a fast tier. Raises BenchmarkError where it cannot have one, or for more than ten minutes."""
        body = json.dumps({"texts": list(texts), "promote": True}).encode()
        number = self.request(f"{_MODELS}/{self.model}/distillations", body, self.headers)["version"]["number"]
        until_s = time.monotonic() + _TRAINED_S
        while True:
            versions = self.request(f"{_MODELS}/{self.model}/versions", None, self.headers, "GET")["versions"]
            (made,) = [version for version in versions if version["number"] == number]
            if made["status"] == "STATUS_READY":
                return
            if made["status"] == "STATUS_FAILED" or time.monotonic() > until_s:
                raise BenchmarkError(f"The fast tier is not made: {made}")
            time.sleep(0.2)

    def status(self, model: str) -> str:
        """What a model is doing."""
        return str(self.request(f"{_MODELS}/{model}", None, self.headers, "GET")["finetuned_model"]["status"])

    def wait(self, model: str, status: str) -> None:
        """Waits for a status. Raises BenchmarkError where the model fails, or for more than ten minutes."""
        until_s = time.monotonic() + _TRAINED_S
        while (found := self.status(model)) != status:
            if found == "STATUS_FAILED" or time.monotonic() > until_s:
                raise BenchmarkError(f"The model {model} is {found}; expected {status}.")
            time.sleep(0.2)

    @contextmanager
    def training(self, texts: Sequence[str], labels: Sequence[str]) -> Iterator[None]:
        """A training job that is under way all the time. Raises BenchmarkError where it ended before."""
        model = self.create(self.upload(texts, labels), train_epochs=100)
        try:
            self.wait(model, "STATUS_FINETUNING")
            time.sleep(5)  # reading and the trunk's pass come first; steps are what takes long
            yield
            if self.status(model) != "STATUS_FINETUNING":
                raise BenchmarkError("The training job ended before the measurements beside it; give it more texts.")
        finally:
            self.request(f"{_MODELS}/{model}", None, self.headers, "DELETE")

    def _wait(self) -> None:
        until_s = time.monotonic() + 60
        while not self.key:
            for line in self.log.read_text(encoding="utf-8").splitlines():
                if line.startswith("admin key: "):
                    self.key = line.removeprefix("admin key: ").strip()
            if self._process.poll() is not None or time.monotonic() > until_s:
                raise BenchmarkError(f"fewfit does not start; see {LOGS / 'load-fewfit.log'}")
            time.sleep(0.1)
        while True:
            try:
                self.request("/readyz", None, {}, "GET")
                return
            except (OSError, BenchmarkError) as error:
                if self._process.poll() is not None or time.monotonic() > until_s:
                    raise BenchmarkError(f"fewfit does not become ready: {error}; see {self.log}") from error
                time.sleep(0.25)
