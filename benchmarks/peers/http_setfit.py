"""SetFit behind a plain FastAPI route, as the quick starts of both put together give it.

Runs in the peer's own environment: `python -m benchmarks.peers.http_setfit PORT ABOUT`, where ABOUT is JSON with
the base and the labelled texts that the head is fitted on. How fast SetFit answers does not depend on what it
was trained on, so its body is the base as it is.
"""

import json
import sys
from typing import Any


def load(about: dict[str, Any]) -> Any:
    """A SetFit model with a fitted head, on one thread."""
    import torch
    from setfit import SetFitModel

    torch.set_num_threads(about["threads"])
    model: Any = SetFitModel.from_pretrained(about["base"], device="cpu")
    model.model_head.fit(model.encode(about["texts"], show_progress_bar=False), about["targets"])
    return model


def main() -> None:
    """Serves until it is ended: one text a request."""
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Ask(BaseModel):
        text: str

    model = load(json.loads(sys.argv[2]))
    app = FastAPI()

    @app.post("/classify")
    def classify(ask: Ask) -> dict[str, Any]:
        (probabilities,) = model.predict_proba([ask.text], show_progress_bar=False)
        return {"labels": dict(zip(map(str, model.model_head.classes_), probabilities.tolist(), strict=True))}

    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
