"""Which number format the heavy matrix products use."""

from contextlib import AbstractContextManager

import torch


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bf16 matrix products are faster than fp32 on this device: asked of the device, never assumed."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device.type == "cpu":
        found = torch.cpu.get_capabilities()
        return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    return False


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """bf16 where the device is faster with it, else plain fp32 (a context that changes nothing)."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_fast_bf16(device))
