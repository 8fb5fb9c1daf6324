"""fewfit's engine without HTTP: texts a second of a full queue, and the time of one text alone.

`python -m benchmarks.peers.engine_rate FOLDER WORKERS` reads a JSON list of texts from standard input, then a
line for each measurement that is wanted, and answers each with a line.
"""

import json
import sys
import time
from statistics import median

from fewfit.artifact import read_artifact
from fewfit.serving import Engine, EngineSettings
from fewfit.serving.served import ModelLoader

_SECONDS = 3.0
_SINGLE = 40


def main() -> None:
    """Loads the model, then measures whenever a line comes."""
    model = ModelLoader().load(read_artifact(sys.argv[1]))
    texts: list[str] = json.loads(sys.stdin.readline())
    batch = (texts * (1 + 512 // len(texts)))[:512]
    with Engine(EngineSettings(workers=int(sys.argv[2]))) as engine:
        engine.answer(model, batch[:64])
        print(json.dumps({"precision": model.precision}), flush=True)
        for _ in sys.stdin:
            seconds = []
            for text in batch[:_SINGLE]:
                start = time.perf_counter()
                _ = engine.answer(model, [text]).confidences
                seconds.append(time.perf_counter() - start)
            n_texts, start, cpu_s = 0, time.perf_counter(), time.process_time()
            while time.perf_counter() - start < _SECONDS:
                _ = engine.answer(model, batch).confidences
                n_texts += len(batch)
            rate = n_texts / (time.perf_counter() - start)
            cpu_ms = (time.process_time() - cpu_s) * 1e3 / n_texts
            print(json.dumps({"texts_per_s": rate, "single_ms": median(seconds) * 1e3, "cpu_ms": cpu_ms}), flush=True)


if __name__ == "__main__":
    main()
