"""Writes the golden models of the current artifact schema: python -m tests.golden.make

Run it once for each new schema version, into folders of its own; the old folders stay, so that a test
can show that old models keep loading. One model has a whole tail, one a low-rank one.
"""

import json
import tempfile
from pathlib import Path

from fewfit.artifact import SCHEMA_VERSION, write_artifact
from fewfit.serving.served import ModelLoader
from fewfit.testing import write_toy_base
from tests.unit.serving.models import TEXTS, ToyModel

HERE = Path(__file__).parent


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = write_toy_base(Path(folder) / "toy", hidden=16, layers=2, heads=2, vocabulary=300, max_tokens=32)
        whole = ToyModel(base, kind="multi", tail_layers=1)
        low_rank = ToyModel(base, tail_layers=1, shift=0.3, rank=2)
    for toy, name in ((whole, f"v{SCHEMA_VERSION}"), (low_rank, f"v{SCHEMA_VERSION}-low-rank")):
        if (HERE / f"model-{name}").exists():
            continue
        write_artifact(HERE / f"model-{name}", toy.artifact)
        model = ModelLoader().load(toy.artifact)
        confidences = model.decision.probabilities(model.embed(TEXTS))
        answers = {"texts": TEXTS, "labels": model.decision.labels, "confidences": confidences.round(5).tolist()}
        content = json.dumps(answers, indent=1, ensure_ascii=False)
        (HERE / f"answers-{name}.json").write_text(content + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
