import numpy as np
import pytest
import torch

from fewfit.training.losses import (
    balanced_binary_cross_entropy,
    contrastive_loss,
    cosine_loss,
    cross_entropy,
    pair_weights,
)


@pytest.fixture
def embeddings() -> torch.Tensor:
    points = torch.randn(9, 5, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(points, dim=1)


SINGLE = torch.eye(3)[[0, 1, 2, 0, 1, 2, 0, 0, 1]]
MULTI = torch.tensor(
    [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 1], [0, 0, 1], [1, 0, 0], [0, 1, 0]],
    dtype=torch.float32,
)


def test_pair_weights_are_the_overlap_of_label_sets() -> None:
    weights = pair_weights(MULTI)
    sets = [{int(column) for column in np.flatnonzero(row)} or {-1} for row in MULTI.numpy()]
    for i, one in enumerate(sets):
        for j, two in enumerate(sets):
            expected = 0.0 if i == j else len(one & two) / len(one | two)
            assert weights[i, j].item() == pytest.approx(expected)


@pytest.mark.parametrize("targets", [SINGLE, MULTI], ids=["single", "multi"])
def test_cosine_loss_equals_a_slow_loop(embeddings: torch.Tensor, targets: torch.Tensor) -> None:
    weights = pair_weights(targets)
    together: list[float] = []
    apart: list[float] = []
    for i in range(9):
        for j in range(9):
            if i != j:
                error = (float(embeddings[i] @ embeddings[j]) - float(weights[i, j])) ** 2
                (together if weights[i, j] > 0 else apart).append(error)
    expected = np.mean(together) + np.mean(apart)
    assert cosine_loss(embeddings, weights).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("targets", [SINGLE, MULTI], ids=["single", "multi"])
def test_contrastive_loss_equals_a_slow_loop(embeddings: torch.Tensor, targets: torch.Tensor) -> None:
    weights = pair_weights(targets)
    rows = []
    for i in range(9):
        others = [j for j in range(9) if j != i]
        total = np.logaddexp.reduce([float(embeddings[i] @ embeddings[j]) / 0.1 for j in others])
        log_probability = {j: float(embeddings[i] @ embeddings[j]) / 0.1 - total for j in others}
        weight = sum(float(weights[i, j]) for j in others)
        if weight:
            rows.append(-sum(float(weights[i, j]) * log_probability[j] for j in others) / weight)
    assert contrastive_loss(embeddings, weights, 0.1).item() == pytest.approx(np.mean(rows), rel=1e-5)


@pytest.mark.parametrize("loss", [cosine_loss, lambda z, w: contrastive_loss(z, w, 0.1)], ids=["cosine", "contrastive"])
def test_a_batch_without_pairs_still_has_a_gradient_that_is_a_number(loss: object, embeddings: torch.Tensor) -> None:
    points = embeddings.clone().requires_grad_()
    value = loss(points, torch.zeros(9, 9))  # type: ignore[operator]
    value.backward()
    assert points.grad is not None
    assert bool(torch.isfinite(points.grad).all())


def test_every_label_of_a_batch_weighs_the_same_in_the_cross_entropy() -> None:
    logits = torch.tensor([[3.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.5, 0.0]])
    targets = torch.eye(2)[[0, 0, 0, 1]]
    each = torch.nn.functional.cross_entropy(logits, targets.argmax(dim=1), reduction="none")
    expected = (each[:3].mean() + each[3]) / 2
    assert cross_entropy(logits, targets).item() == pytest.approx(expected.item(), rel=1e-6)


def test_positives_weigh_as_much_as_negatives_in_the_binary_loss() -> None:
    targets = torch.zeros(100, 1)
    targets[:10] = 1
    logits = torch.zeros(100, 1, requires_grad=True)
    balanced_binary_cross_entropy(logits, targets, targets.mean(dim=0)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad[:10].sum().item() == pytest.approx(-logits.grad[10:].sum().item(), rel=1e-5)
