"""SetFit behind LitServe: `python -m benchmarks.peers.litserve_setfit PORT ABOUT`, in the peer's own environment."""

import json
import sys
from typing import Any

import litserve as ls

from benchmarks.peers.http_setfit import load


class Api(ls.LitAPI):  # type: ignore[misc]
    """Any number of texts a request; LitServe puts concurrent requests into one batch."""

    def setup(self, device: str) -> None:
        """Loads the model, in the process that computes."""
        del device
        self.model = load(json.loads(sys.argv[2]))

    def decode_request(self, request: dict[str, Any]) -> list[str]:
        """The texts of a request."""
        return list(request["inputs"])

    def predict(self, batch: list[list[str]]) -> list[list[list[float]]]:
        """Probabilities for the texts of several requests."""
        texts = [text for request in batch for text in request]
        found = iter(self.model.predict_proba(texts, show_progress_bar=False).tolist())
        return [[next(found) for _ in request] for request in batch]

    def encode_response(self, output: list[list[float]]) -> dict[str, Any]:
        """The answer to one request."""
        labels = [str(label) for label in self.model.model_head.classes_]
        return {"classifications": [dict(zip(labels, row, strict=True)) for row in output]}


if __name__ == "__main__":
    api = Api(max_batch_size=32, batch_timeout=0.005, api_path="/classify")
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=120)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
