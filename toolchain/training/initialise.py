"""Weights for a network without batch-norm: every layer starts with outputs of unit variance."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["initialise"]

SMALLEST = 1e-6
LARGE = 4_000_000
FIRST_LOGITS = 0.1
"""Standard deviation of the untrained network's logits: small, so that no class leads."""


@torch.no_grad()
def initialise(network: nn.Module, images: torch.Tensor) -> None:
    """Draw the weights of ``network`` afresh, in place, and scale them to ``images``.

    Layer-sequential unit-variance initialisation (Mishkin and Matas 2016, "All you need is a good
    init"): orthogonal weights, then, in the order of computation, each layer divided by the
    standard deviation that its output has on ``images`` (float32 [N, C, H, W], about 200).
    Depthwise kernels have no orthogonal form: they start as a 1 in their centre with noise on it,
    N(0, 1/9), and so pass their channel on where the map has shrunk to one pixel, which purely
    random kernels do not. Matrices over `LARGE` are normal, which is nearly orthogonal and far
    quicker. Biases start at zero, logits at `FIRST_LOGITS`. Draws from PyTorch's global generator.
    """
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    for layer in layers:
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1:
            height, width = layer.weight.shape[2:]
            nn.init.normal_(layer.weight, std=1 / 3)
            layer.weight[:, :, height // 2, width // 2] += 1
        elif layer.weight.numel() > LARGE:
            nn.init.normal_(layer.weight)
        else:
            nn.init.orthogonal_(layer.weight)
    order: list[nn.Module] = []

    def scale(module: nn.Module, _inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        order.append(module)
        assert isinstance(module.weight, torch.Tensor)
        spread = float(output.std())
        module.weight.div_(max(spread, SMALLEST))
        output.div_(max(spread, SMALLEST))

    hooks = [layer.register_forward_hook(scale) for layer in layers]
    try:
        network.eval()
        network(images)
    finally:
        for hook in hooks:
            hook.remove()
    last = order[-1]
    assert isinstance(last.weight, torch.Tensor)
    last.weight.mul_(FIRST_LOGITS)
