"""An ordinary full fine-tune: the base, its pooling and a linear layer, with every weight trained on cross-entropy."""

import math
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from benchmarks.peers.linear import reply
from benchmarks.peers.protocol import Clock, Job, Reply, serve

# The recipe that is stable on small data too (Mosbach et al. 2021, https://arxiv.org/abs/2006.04884): Adam with bias
# correction, warm-up, and steps enough where rows are few.
BATCH_SIZE = 16
LEAST_STEPS = 100
_WARM_UP = 0.1
_DROPOUT = 0.1
_LARGEST_GRADIENT = 1.0


def finetune(job: Job) -> Reply:
    """Trains for `epochs` (3), at least 100 steps, with the learning rate `lr` (2e-5)."""
    settings = job.only("epochs", "lr")
    epochs, lr = int(settings.get("epochs", 3)), float(settings.get("lr", 2e-5))
    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    base = SentenceTransformer(job.base, device="cpu")
    # On vectors of length one a linear layer would hardly learn at such a rate.
    body: Any = SentenceTransformer(modules=[part for part in base if not isinstance(part, Normalize)], device="cpu")
    texts, multi = job.prefixed, job.kind == "multi"
    targets = torch.tensor(job.indicator, dtype=torch.float32)  # (n_texts, n_labels)
    loss_of = nn.BCEWithLogitsLoss() if multi else nn.CrossEntropyLoss()
    clock = Clock()
    with clock.running():
        head = nn.Linear(body.get_embedding_dimension(), len(job.labels))
        nn.init.normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
        weights = [*body.parameters(), *head.parameters()]
        steps = max(LEAST_STEPS, epochs * math.ceil(len(texts) / BATCH_SIZE))
        optimizer = torch.optim.AdamW(weights, lr=lr)
        warm_up = round(_WARM_UP * steps)
        schedule = LambdaLR(optimizer, lambda step: min((step + 1) / warm_up, (steps - step) / (steps - warm_up)))
        body.train()
        for rows in _batches(len(texts), steps):
            pooled = body(body.preprocess([texts[row] for row in rows]))["sentence_embedding"]
            loss = loss_of(head(nn.functional.dropout(pooled, _DROPOUT)), targets[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(weights, _LARGEST_GRADIENT)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        body.eval()

    def probabilities_of(texts: list[str]) -> np.ndarray:
        prefixed = [job.prefix + text for text in texts]
        with torch.inference_mode():
            logits = head(body.encode(prefixed, convert_to_tensor=True, show_progress_bar=False))
            return np.asarray(logits.sigmoid() if multi else logits.softmax(dim=1))

    return reply(job, clock, probabilities_of, steps=steps)


def _batches(n_rows: int, steps: int) -> list[list[int]]:
    """Row numbers, a batch a step: all rows in a new order each epoch."""
    batches: list[list[int]] = []
    while len(batches) < steps:
        order = torch.randperm(n_rows).tolist()
        batches += [order[start : start + BATCH_SIZE] for start in range(0, n_rows, BATCH_SIZE)]
    return batches[:steps]


if __name__ == "__main__":
    serve(finetune, ("numpy", "sentence-transformers", "torch", "transformers"))
