from collections.abc import Iterator

import pytest
import torch
from torch import nn

from fewfit.training import precision
from fewfit.training.precision import autocast, frozen_weights_rounded, has_fast_bf16

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _measured_anew() -> Iterator[None]:
    precision._cpu_has_fast_bf16.cache_clear()
    yield
    precision._cpu_has_fast_bf16.cache_clear()


@pytest.mark.parametrize(("has", "gain", "taken"), [(True, 1.8, True), (True, 0.55, False), (False, 1.8, False)])
def test_bf16_is_taken_where_the_cpu_has_it_and_is_faster(
    monkeypatch: pytest.MonkeyPatch, has: bool, gain: float, taken: bool
) -> None:
    seconds = {torch.float32: 1.0, torch.bfloat16: 1 / gain}
    monkeypatch.setattr(precision, "_product_s", seconds.__getitem__)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has})
    assert has_fast_bf16(CPU) is taken
    with autocast(CPU):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert (product.dtype == torch.bfloat16) is taken


def test_it_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    first = has_fast_bf16(CPU)
    monkeypatch.setattr(precision, "_product_s", None)
    assert has_fast_bf16(CPU) is first


@pytest.mark.parametrize("fast", [True, False])
def test_frozen_matrices_are_rounded_for_a_while(monkeypatch: pytest.MonkeyPatch, fast: bool) -> None:
    monkeypatch.setattr(precision, "has_fast_bf16", lambda device: fast)
    frozen, tuned, norm = nn.Linear(3, 3), nn.Linear(3, 3), nn.LayerNorm(3)
    frozen.requires_grad_(False)
    before, again = frozen.weight.clone(), frozen.weight.data_ptr()
    with frozen_weights_rounded(nn.Sequential(frozen, tuned, norm), CPU):
        assert (frozen.weight.dtype == torch.bfloat16) is fast
        assert {tuned.weight.dtype, norm.weight.dtype, frozen.bias.dtype} == {torch.float32}
    assert torch.equal(frozen.weight, before)
    assert frozen.weight.data_ptr() == again
