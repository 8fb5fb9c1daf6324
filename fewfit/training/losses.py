"""The losses that shape the tail's embeddings."""

import torch
from torch.nn import functional


def pair_weights(targets: torch.Tensor) -> torch.Tensor:
    """How strongly each pair of rows belongs together: the overlap of their label sets, 0 to 1.

    `targets` is (n, n_labels), 0 or 1. The overlap is Jaccard's (shared labels over all labels of the
    two), so in a single-label task it is 1 for the same label and 0 otherwise. Rows without labels
    belong together: that none applies is what they have in common. The diagonal is 0.
    """
    none = (targets.sum(dim=1, keepdim=True) == 0).to(targets.dtype)
    sets = torch.cat([targets, none], dim=1)  # "none" like a label of its own
    shared = sets @ sets.T
    sizes = sets.sum(dim=1)
    weights = shared / (sizes[:, None] + sizes[None, :] - shared)
    return weights - torch.diag(torch.diagonal(weights))


def cosine_loss(embeddings: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Squared distance of every pair's cosine similarity from what it should be, a scalar.

    `embeddings` is (n, hidden), of unit length; `weights` (n, n) as from `pair_weights` is what the
    similarities should be: 1 for the same labels, 0 for none in common. Pairs that belong together and
    pairs that do not weigh the same in sum, however many there are. It is the objective of SetFit (Tunstall et
    al. 2022, https://arxiv.org/abs/2209.11055) over all pairs of the batch at once, where each text is
    encoded once a step instead of once a pair.
    """
    similarity = embeddings @ embeddings.T
    others = 1.0 - torch.eye(len(embeddings), device=embeddings.device)
    together = (weights > 0) * others
    apart = others - together
    error = (similarity - weights) ** 2
    return (error * together).sum() / together.sum().clamp(min=1.0) + (error * apart).sum() / apart.sum().clamp(min=1.0)


def contrastive_loss(embeddings: torch.Tensor, weights: torch.Tensor, temperature: float) -> torch.Tensor:
    """Supervised contrastive loss over one batch, a scalar (Khosla et al. 2020, equation 2).

    `embeddings` is (n, hidden), of unit length; `weights` is (n, n) as from `pair_weights`, and each
    row's positives count by their weight. Rows without positives only push others away.
    """
    similarity = embeddings @ embeddings.T / temperature
    itself = torch.eye(len(embeddings), dtype=torch.bool, device=embeddings.device)
    similarity = similarity.masked_fill(itself, float("-inf"))
    log_probability = similarity.log_softmax(dim=1).masked_fill(itself, 0.0)
    total = weights.sum(dim=1)
    has_positives = total > 0
    if not bool(has_positives.any()):
        return embeddings.sum() * 0.0
    per_row = -(weights * log_probability).sum(dim=1)[has_positives] / total[has_positives]
    return per_row.mean()


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Single-label classification loss in which every label of the batch weighs the same, a scalar.

    `logits` and `targets` are (n, n_labels), the targets one-hot.
    """
    counts = targets.sum(dim=0)
    weight = torch.where(counts > 0, 1.0 / counts.clamp(min=1.0), torch.zeros_like(counts))
    return functional.cross_entropy(logits, targets.argmax(dim=1), weight=weight)


def balanced_binary_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, positive_share: torch.Tensor
) -> torch.Tensor:
    """Multilabel loss in which a label's positives weigh as much as its negatives, a scalar.

    `logits` and `targets` are (n, n_labels); `positive_share` (n_labels,) is each label's share of
    positive rows in the whole training set (not in the batch, where a rare label may be missing).
    """
    share = positive_share.clamp(1e-3, 1 - 1e-3)
    weight = torch.where(targets > 0, 0.5 / share, 0.5 / (1 - share)).clamp(max=20.0)
    return functional.binary_cross_entropy_with_logits(logits, targets, weight=weight)
