"""A plain install, without torch, transformers, scikit-learn and scipy, classifies with a saved model."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fewfit.artifact import write_artifact
from fewfit.serving.served import ModelLoader
from tests.unit.serving.models import TEXTS, ToyModel

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "sklearn", "scipy", "pandas", "pyarrow", "onnx", "onnxscript")
SCRIPT = """
import importlib.util, json, sys, time
started = time.perf_counter()
from fewfit import Classifier
imported = time.perf_counter()
classifier = Classifier.load(sys.argv[1])
texts = json.loads(sys.argv[2])
confidences = classifier.predict_proba(texts)
answered = time.perf_counter()
json.dump({
    "confidences": confidences.tolist(),
    "labels": classifier.predict(texts),
    "heavy": [name for name in json.loads(sys.argv[3]) if importlib.util.find_spec(name)],
    "import_s": imported - started,
    "load_and_answer_s": answered - imported,
}, sys.stdout)
"""


@pytest.fixture(scope="module")
def plain_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    install = [str(python), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(ROOT)]
    subprocess.run(install, check=True, timeout=600)
    return python


@pytest.mark.slow
def test_it_classifies_like_the_machine_that_trained(plain_python: Path, toy_base: Path, tmp_path: Path) -> None:
    toy = ToyModel(toy_base)
    write_artifact(tmp_path / "model", toy.artifact)
    arguments = [str(tmp_path / "model"), json.dumps(TEXTS), json.dumps(HEAVY)]
    run = subprocess.run(
        [str(plain_python), "-I", "-W", "error", "-c", SCRIPT, *arguments], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert answer["heavy"] == []
    here = ModelLoader().load(toy.artifact)
    np.testing.assert_allclose(answer["confidences"], here.decision.probabilities(here.embed(TEXTS)), atol=1e-4)
    assert set(answer["labels"]) <= set(toy.artifact.decision.labels)
