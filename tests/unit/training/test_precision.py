from collections.abc import Iterator

import pytest
import torch

from fewfit.training import precision
from fewfit.training.precision import autocast, has_fast_bf16

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
