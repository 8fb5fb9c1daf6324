"""SetFit with its documented defaults: batches of 16, one epoch, pairs oversampled; one-vs-rest for multilabel."""

import tempfile
import time
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from setfit import SetFitModel, Trainer, TrainingArguments

from benchmarks.peers.linear import given
from benchmarks.peers.pairs import default_steps
from benchmarks.peers.protocol import Clock, Job, Prediction, Reply, serve


def setfit(job: Job) -> Reply:
    """Trains with SetFit's defaults; `max_steps` caps its steps, and the notes say how many there would be."""
    settings = job.only("max_steps")
    steps = default_steps(np.array(job.indicator))
    limit = int(settings.get("max_steps", steps))
    torch.set_num_threads(job.threads)
    multi = job.kind == "multi"
    model = SetFitModel.from_pretrained(
        job.base, device="cpu", **({"multi_target_strategy": "one-vs-rest"} if multi else {})
    )
    model.model_body.default_prompt_name = None  # the prefix comes with the job, the same for every method
    targets: list[Any] = job.indicator if multi else [job.labels.index(target[0]) for target in job.targets]
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, clock.running():
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                max_steps=limit if limit < steps else -1,  # a larger one would make it train longer
                seed=job.seed,
                save_strategy="no",
                report_to="none",
                show_progress_bar=False,
            ),
            train_dataset=Dataset.from_dict({"text": job.prefixed, "label": targets}),
        )
        trainer.train()
    predictions = {}
    for language, texts in job.tests.items():
        start = time.perf_counter()
        probabilities = model.predict_proba([job.prefix + text for text in texts], as_numpy=True)
        labels = given(job, probabilities)
        predict_s = time.perf_counter() - start
        predictions[language] = Prediction(labels, probabilities.tolist(), predict_s)
    notes = {"steps": trainer.st_trainer.state.global_step, "steps_by_default": steps}
    return Reply(job.labels, predictions, clock.wall_s, clock.cpu_s, notes)


if __name__ == "__main__":
    serve(
        setfit,
        ("accelerate", "datasets", "numpy", "scikit-learn", "sentence-transformers", "setfit", "torch", "transformers"),
    )
