"""Which number format the heavy matrix products use."""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache

import torch
from torch import nn

# A CPU may have instructions for bf16 and be slower with them: Sapphire Rapids without AMX has half the rate of fp32,
# Zen 4 nearly twice. What is gained must be worth the rounding, and so clear that it is found again at the next start.
_LEAST_GAIN = 1.2
_ROWS, _WIDTH = 256, 768
_REPETITIONS = 8


@contextmanager
def frozen_weights_rounded(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Has the matrices that are not tuned in the format of the products meanwhile.

    `autocast` keeps what it rounded for as long as it lasts, but only of weights that are tuned.
    """
    frozen = [part.weight for part in module.modules() if isinstance(part, nn.Linear) and not part.weight.requires_grad]
    full = [weight.data for weight in frozen]
    if has_fast_bf16(device):
        for weight in frozen:
            weight.data = weight.data.bfloat16()
    try:
        yield
    finally:
        for weight, data in zip(frozen, full, strict=True):
            weight.data = data


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bf16 matrix products are faster than fp32 on this device: a GPU is asked, a CPU measured once."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and _cpu_has_fast_bf16()


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """bf16 where the device is faster with it, else plain fp32 (a context that changes nothing)."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_fast_bf16(device))


@lru_cache(maxsize=1)
def _cpu_has_fast_bf16() -> bool:
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16")) and _bf16_gain() >= _LEAST_GAIN


def _bf16_gain() -> float:
    """How many times as fast as in fp32 a product of the size of a layer's is in bf16; takes about 50 ms."""
    # In turns and the fastest of several: other work on the machine slows some of them down.
    fastest_s = {torch.float32: math.inf, torch.bfloat16: math.inf}
    for _ in range(_REPETITIONS):
        for dtype, known_s in fastest_s.items():
            fastest_s[dtype] = min(known_s, _product_s(dtype))
    return fastest_s[torch.float32] / fastest_s[torch.bfloat16]


def _product_s(dtype: torch.dtype) -> float:
    texts, weight = torch.ones(_ROWS, _WIDTH, dtype=dtype), torch.ones(_WIDTH, _WIDTH, dtype=dtype)
    with torch.inference_mode():
        start_s = time.perf_counter()
        _ = texts @ weight
        return time.perf_counter() - start_s
