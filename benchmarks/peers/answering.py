"""A peer whose speed is measured: it makes a classifier of its kind ready and answers batches by the clock.

Runs in the peer's own environment. Peers classify with the frozen base and a logistic regression: how fast
they answer does not depend on what they were trained on. fewfit answers with a saved model.
"""

import json
import os
import sys
import time

STARTED_S = time.perf_counter()

from collections.abc import Callable, Sequence  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from fewfit.serving.requests import Speed

Predict = Callable[[Sequence[str]], list[str]]


def fewfit(about: dict[str, Any]) -> tuple[Predict, Callable[[], None]]:
    """A saved model on an engine: in one precision, or with its fast tier before the precision that it is served in."""
    from fewfit.artifact import read_artifact
    from fewfit.serving import Engine, EngineSettings
    from fewfit.serving.served import ModelLoader

    kind = about["variant"].partition("-")[2]
    fast = kind == "fast"
    model = ModelLoader().load(read_artifact(about["model"]), None if fast else kind)
    if fast and model.fast is None:
        raise ValueError("the model has no fast tier")
    engine = Engine(EngineSettings(workers=about["threads"]))
    labels = model.decision.labels
    speed: Speed = "fast" if fast else "full"

    def predict(texts: Sequence[str]) -> list[str]:
        return [labels[column] for column in engine.answer(model, texts, speed=speed).confidences.argmax(axis=1)]

    return predict, lambda: None


def sentence_transformers(about: dict[str, Any]) -> tuple[Predict, Callable[[], None]]:
    """SentenceTransformer.encode with one of its backends, and scikit-learn's logistic regression."""
    import tempfile

    import torch
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression

    torch.set_num_threads(about["threads"])
    backend, _, precision = about["variant"].removeprefix("st-").partition("-")
    base = about["base"]
    if backend == "torch":
        encoder = SentenceTransformer(base, device="cpu")
    else:
        encoder = SentenceTransformer(base, device="cpu", backend=backend, model_kwargs={"export": True})
    if precision == "int8":
        from sentence_transformers import export_dynamic_quantized_onnx_model

        folder = tempfile.mkdtemp()
        encoder.save_pretrained(folder)
        export_dynamic_quantized_onnx_model(encoder, "avx512_vnni", folder)
        chosen = {"file_name": "onnx/model_qint8_avx512_vnni.onnx"}
        encoder = SentenceTransformer(folder, device="cpu", backend="onnx", model_kwargs=chosen)
    head = LogisticRegression(max_iter=1000, class_weight="balanced")

    def embed(texts: Sequence[str]) -> Any:
        return encoder.encode([about["prefix"] + text for text in texts], show_progress_bar=False)

    def fit() -> None:
        head.fit(embed(about["texts"]), about["targets"])

    return lambda texts: [str(label) for label in head.predict(embed(texts))], fit


def infinity(about: dict[str, Any]) -> tuple[Predict, Callable[[], None]]:
    """infinity-emb's engine without its server, and scikit-learn's logistic regression."""
    import asyncio

    import torch
    from infinity_emb import AsyncEmbeddingEngine, EngineArgs
    from sklearn.linear_model import LogisticRegression

    torch.set_num_threads(about["threads"])
    loop = asyncio.new_event_loop()
    wanted = EngineArgs(
        model_name_or_path=about["base"], engine="torch", device="cpu", bettertransformer=False, model_warmup=False
    )
    engine = AsyncEmbeddingEngine.from_args(wanted)
    loop.run_until_complete(engine.astart())
    head = LogisticRegression(max_iter=1000, class_weight="balanced")

    def embed(texts: Sequence[str]) -> Any:
        sentences = [about["prefix"] + text for text in texts]
        return loop.run_until_complete(engine.embed(sentences=sentences))[0]

    def fit() -> None:
        head.fit(embed(about["texts"]), about["targets"])

    return lambda texts: [str(label) for label in head.predict(embed(texts))], fit


def setfit(about: dict[str, Any]) -> tuple[Predict, Callable[[], None]]:
    """SetFitModel.predict; its body is the base as it is, its head is fitted."""
    import torch
    from setfit import SetFitModel

    torch.set_num_threads(about["threads"])
    model: Any = SetFitModel.from_pretrained(about["base"], device="cpu")

    def prefixed(texts: Sequence[str]) -> list[str]:
        return [about["prefix"] + text for text in texts]

    def fit() -> None:
        model.model_head.fit(model.encode(prefixed(about["texts"]), show_progress_bar=False), about["targets"])

    return lambda texts: [str(label) for label in model.predict(prefixed(texts), show_progress_bar=False)], fit


def main() -> None:
    """Reads what to be from standard input, then answers batches until it ends."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(content: dict[str, Any]) -> None:
        out.write(json.dumps(content) + "\n")
        out.flush()

    about = json.loads(sys.stdin.readline())
    variant = about["variant"]
    others = {"setfit": setfit, "infinity": infinity}
    make = fewfit if variant.startswith("fewfit") else others.get(variant, sentence_transformers)
    try:
        predict, fit = make(about)
        ready_s = time.perf_counter() - STARTED_S
        fit()
        predict(about["texts"][:2])
    except Exception as error:  # noqa: BLE001 - the message goes to the one who asked
        say({"error": f"{type(error).__name__}: {error}"})
        return
    say({"ready_s": ready_s, "memory_mb": memory_mb()})
    for line in sys.stdin:
        seconds, labels = [], []
        for batch in json.loads(line)["batches"]:
            start = time.perf_counter()
            answered = predict(batch)
            seconds.append(time.perf_counter() - start)
            labels.extend(answered)
        say({"seconds": seconds, "labels": labels, "memory_mb": memory_mb()})


def memory_mb() -> float:
    """The most memory that this process has had, in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
