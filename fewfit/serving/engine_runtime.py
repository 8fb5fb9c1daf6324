"""The runtime behind a loaded classifier: the process's own engine."""

import os
import threading
from collections.abc import Sequence

import numpy as np

from fewfit.artifact import Artifact
from fewfit.serving.answers import Answers
from fewfit.serving.engine import Engine
from fewfit.serving.served import ModelLoader, ServedModel

_engines: dict[int, Engine] = {}  # by process: the threads of an engine do not survive a fork
_lock = threading.Lock()
_loader = ModelLoader()  # one, so that classifiers on one base share trunk and tokenizer


def default_engine() -> Engine:
    """The engine that all classifiers of this process share; started when it is first asked for."""
    with _lock:
        process = os.getpid()
        if process not in _engines:
            _engines.clear()
            _engines[process] = Engine()
        return _engines[process]


class EngineRuntime:
    """Embeds with a saved model, or one that is ready to be saved, on the process's engine.

    Where its queue is full, texts wait for their turn.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.model: ServedModel = _loader.load(artifact)

    def fast_answers(self, texts: Sequence[str]) -> Answers:
        """Answers of the fast tier where it is sure, else of the model."""
        answers = default_engine().answer(self.model, texts, speed="fast", wait=True)
        answers.raise_for_errors()
        return answers

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings, float32 (n_texts, hidden), in the order of `texts`."""
        answers = default_engine().answer(self.model, texts, wait=True)
        answers.raise_for_errors()
        return answers.embeddings
