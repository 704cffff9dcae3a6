"""Multiply-accumulates of a PyTorch network, counted layer by layer without computing anything."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

__all__ = ["count_macs"]


def count_macs(network: nn.Module, channels: int, height: int, width: int) -> int:
    """MACs of one image [1, channels, height, width] in convolutions and fully-connected layers.

    Biases, batch-norms and activations are not counted, as is usual.
    """
    total = 0

    def add(module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += output[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total += output[0].numel() * module.in_features

    shadow = copy.deepcopy(network).to("meta").eval()
    hooks = [module.register_forward_hook(add) for module in shadow.modules()]
    try:
        with torch.inference_mode():
            shadow(torch.empty(1, channels, height, width, device="meta"))
    finally:
        for hook in hooks:
            hook.remove()
    return total
