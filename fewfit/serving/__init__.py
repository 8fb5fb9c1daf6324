"""Answering texts with saved models: the engine, and what it is made of."""

from fewfit.serving.answers import Answers
from fewfit.serving.engine import Engine, EngineSettings
from fewfit.serving.engine_runtime import default_engine
from fewfit.serving.exporting import export_onnx
from fewfit.serving.served import ServedModel
from fewfit.serving.statistics import EngineStatistics

__all__ = [
    "Answers",
    "Engine",
    "EngineSettings",
    "EngineStatistics",
    "ServedModel",
    "default_engine",
    "export_onnx",
]
