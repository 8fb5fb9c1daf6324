"""fewfit through its public interface, in the project's own environment."""

import dataclasses
import time
from typing import Any, get_args

import numpy as np
import torch

from benchmarks.peers.protocol import Clock, Job, Prediction, Reply, serve
from fewfit import Classifier
from fewfit.training import Effort, TrainingSettings

_KNOBS = {field.name for field in dataclasses.fields(TrainingSettings)}


def fewfit(job: Job) -> Reply:
    """Fits a Classifier; settings are its parameters (`effort`, `max_length`, `long_texts`, `clean`) and any knob.

    `unlabelled` is how many unlabelled texts it gets, too.
    """
    settings = job.only("effort", "max_length", "long_texts", "clean", "unlabelled", *sorted(_KNOBS))
    torch.set_num_threads(job.threads)
    clock = Clock()
    classifier = Classifier(job.base, seed=job.seed, device="cpu", **_parameters(settings))
    with clock.running():
        if job.kind == "multi":
            classifier.fit(job.texts, job.targets)
        else:
            classifier.fit(job.texts, [target[0] for target in job.targets], unlabelled=job.unlabelled)
    columns = [str(label) for label in classifier.classes_]
    predictions = {}
    for language, texts in job.tests.items():
        start = time.perf_counter()
        given, probabilities = _answer(classifier, job.kind, columns, texts)
        predict_s = time.perf_counter() - start
        if probabilities is None:
            probabilities = np.asarray(classifier.predict_proba(texts))
        predictions[language] = Prediction(given, probabilities.tolist(), predict_s)
    manifest = classifier.manifest_
    notes = {
        "tuned": manifest.tuned,
        "steps": manifest.training.get("steps"),
        "n_pseudo_labelled": manifest.training.get("n_pseudo_labelled"),
    }
    return Reply(columns, predictions, clock.wall_s, clock.cpu_s, notes)


def _parameters(settings: dict[str, Any]) -> dict[str, Any]:
    """The constructor's arguments: training knobs are put into TrainingSettings, on top of the effort's."""
    parameters = {name: value for name, value in settings.items() if name not in _KNOBS and name != "unlabelled"}
    knobs = {name: value for name, value in settings.items() if name in _KNOBS}
    if knobs:
        effort: Effort = parameters.pop("effort", "balanced")
        if effort not in get_args(Effort):
            raise ValueError(f"effort={effort!r}; expected one of {', '.join(get_args(Effort))}")
        parameters["settings"] = dataclasses.replace(TrainingSettings.for_effort(effort), **knobs)
    return parameters


def _answer(
    classifier: Classifier, kind: str, columns: list[str], texts: list[str]
) -> tuple[list[list[str]], np.ndarray | None]:
    """The labels of each text, with the probabilities where the same pass gives both."""
    if kind == "multi":  # thresholds decide, which predict knows
        return [list(labels or ()) for labels in classifier.predict(texts)], None
    probabilities = np.asarray(classifier.predict_proba(texts))
    return [[columns[column]] for column in probabilities.argmax(axis=1)], probabilities


if __name__ == "__main__":
    serve(fewfit, ("fewfit", "numpy", "scikit-learn", "tokenizers", "torch", "transformers"))
