"""The device a training runs on, and how it runs fastest there."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from ...errors import MissingError
from ...models.registry import find

__all__ = ["autocast", "memory_format", "pick_device"]


def pick_device(name: str) -> torch.device:
    """``auto`` is CUDA where there is a GPU. Raises MissingError for ``cuda`` without one."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise MissingError(
            "no CUDA GPU that this PyTorch can use; use --device cpu, or install an NVIDIA driver "
            "and a CUDA build of torch (nnc doctor shows both)"
        )
    return torch.device("cuda" if name == "cuda" or (name == "auto" and available) else "cpu")


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Mixed precision (bfloat16) on GPUs that have it; full precision elsewhere."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()


def memory_format(device: torch.device, arch: str) -> torch.memory_format:
    """Channels-last on CUDA, and on CPU for the networks that gain from it there."""
    gains = device.type == "cuda" or find(arch).channels_last_on_cpu
    return torch.channels_last if gains else torch.contiguous_format
