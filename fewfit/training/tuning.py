"""Tuning a tail: the few steps that make a general encoder see the user's labels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from fewfit.decision import Head
from fewfit.encoders.batching import length_batches
from fewfit.encoders.split import Tail
from fewfit.training.activations import Activations, JoinedActivations
from fewfit.training.events import Progress
from fewfit.training.label_names import MOST_LABELS_A_STEP, name_loss
from fewfit.training.losses import (
    balanced_binary_cross_entropy,
    contrastive_loss,
    cosine_loss,
    cross_entropy,
    pair_weights,
)
from fewfit.training.precision import autocast, frozen_weights_rounded
from fewfit.training.sampling import balanced_batches
from fewfit.training.settings import TrainingSettings
from fewfit.training.targets import Targets

WARM_UP_SHARE = 0.1
HEAD_LEARNING_RATE = 1e-3
MAX_GRADIENT_NORM = 1.0

# From texts to the rows of the activations that stand for them in a step.
Pick = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class TuningPlan:
    """What one tail is tuned with: the settings, with everything that depends on the data decided."""

    settings: TrainingSettings
    steps: int
    learning_rate: float
    seed: int


def tune(
    tail: Tail,
    head: Head,
    activations: Activations,
    targets: Targets,
    rows: np.ndarray,
    plan: TuningPlan,
    *,
    device: torch.device,
    progress: Progress,
    stage: str,
    cost_per_step: float,
    names: Activations | None = None,
    pick: Pick | None = None,
) -> None:
    """Tunes `tail` in place on some rows of the training set.

    Each step takes one class-balanced batch, runs it through the tail in buckets of similar length
    (little is padding) and lowers the losses that the settings weigh (`fewfit.training.losses`): by default that of
    cosines over all pairs of the batch. Cross-entropy, where it is asked for, goes through a linear head that starts
    at `head` (fitted on the untuned embeddings) and is thrown away: a fresh one is fitted on the tuned embeddings.
    `names` are the activations of the label names, in the order of the labels, where these are to count. `pick` says
    which rows of the activations stand for some texts in a step; without it they are the texts'.
    """
    settings = plan.settings
    rng = np.random.default_rng(plan.seed)
    own = targets.take(rows)
    truth = torch.from_numpy(own.matrix.astype(np.float32)).to(device)
    positive_share = truth.mean(dim=0)
    weight = nn.Parameter(torch.from_numpy(head.weight).clone().to(device))
    bias = nn.Parameter(torch.from_numpy(head.bias).clone().to(device))
    tail_parameters = [parameter for parameter in tail.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": tail_parameters, "lr": plan.learning_rate, "weight_decay": settings.weight_decay},
            {"params": [weight, bias], "lr": HEAD_LEARNING_RATE, "weight_decay": 0.0},
        ],
        fused=device.type in ("cpu", "cuda"),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _learning_rate_share(step, plan.steps))
    batches = balanced_batches(own, settings.batch_size, rng)
    read = activations if names is None else JoinedActivations(activations, names)
    # Dropout draws from torch's global generator: fork it, so that the caller's is left as it was.
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), frozen_weights_rounded(tail, device):
        torch.manual_seed(plan.seed)
        tail.train()
        for _ in range(plan.steps):
            chosen = next(batches)
            picked = rows[chosen] if pick is None else pick(rows[chosen], rng)
            compared = np.arange(0) if names is None else _compared_labels(own.matrix[chosen])
            # Names go through the tail among the texts: so few alone are not worth all the weights.
            together = np.concatenate([picked, len(activations.lengths) + compared])
            all_embeddings = _forward(tail, read, together, settings.batch_tokens, device)
            embeddings, name_embeddings = all_embeddings[: len(picked)], all_embeddings[len(picked) :]
            wanted = truth[torch.from_numpy(chosen).to(device)]
            loss = torch.zeros((), device=device)
            pairs = pair_weights(wanted)
            # Cosines are meant; most bases give unit lengths already.
            directions = functional.normalize(embeddings, dim=-1)
            if settings.cosine_weight:
                loss = loss + settings.cosine_weight * cosine_loss(directions, pairs)
            if settings.contrastive_weight:
                loss = loss + settings.contrastive_weight * contrastive_loss(directions, pairs, settings.temperature)
            if settings.classification_weight:
                logits = functional.linear(embeddings, weight, bias)
                classification = (
                    cross_entropy(logits, wanted)
                    if own.kind == "single"
                    else balanced_binary_cross_entropy(logits, wanted, positive_share)
                )
                loss = loss + settings.classification_weight * classification
            if names is not None:
                columns = torch.from_numpy(compared).to(device)
                loss = loss + settings.label_names_weight * name_loss(
                    directions,
                    functional.normalize(name_embeddings, dim=-1),
                    wanted[:, columns],
                    single=own.kind == "single",
                    temperature=settings.label_names_temperature,
                    positive_share=positive_share[columns],
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(tail_parameters, MAX_GRADIENT_NORM)
            optimizer.step()
            schedule.step()
            progress.advance(stage, cost_per_step=cost_per_step, loss=float(loss.detach()))
    tail.eval()


def _compared_labels(wanted: NDArray[np.bool_]) -> np.ndarray:
    """The columns whose names a batch is compared with: all, or those that its texts carry."""
    if wanted.shape[1] <= MOST_LABELS_A_STEP:
        return np.arange(wanted.shape[1])
    return np.flatnonzero(wanted.any(axis=0))


def _forward(
    tail: Tail, activations: Activations, rows: np.ndarray, batch_tokens: int, device: torch.device
) -> torch.Tensor:
    """What the tail makes of some rows of the activations, (n_rows, embedding), in their order."""
    # A quarter of the inference budget: small buckets pad less, and backward keeps every activation.
    buckets = length_batches(activations.lengths[rows], max(256, batch_tokens // 4))
    # One context for all of them: it rounds each weight once.
    with autocast(device):
        parts = [tail(*activations.batch(rows[places])).float() for places in buckets]
    order = torch.from_numpy(np.argsort(np.concatenate(buckets)))
    return torch.cat(parts)[order.to(device)]


def _learning_rate_share(step: int, steps: int) -> float:
    warm_up = max(1.0, WARM_UP_SHARE * steps)
    return min(1.0, (step + 1) / warm_up) * max(0.0, 1 - step / steps)
