"""How a pruned network starts its retraining."""

from __future__ import annotations

import math

import torch
from torch import nn

from .structure import Structure, weight_of

__all__ = ["reinitialise"]


@torch.no_grad()
def reinitialise(network: nn.Module, structure: Structure, seed: int) -> None:
    """Draw all convolution and fully-connected weights afresh: U(-1/sqrt(fan_in), 1/sqrt(fan_in)).

    The paper's recovery for MobileNet and ShuffleNet; apply the masks afterwards. Batch-norms
    keep their scale and shift.
    """
    generator = torch.Generator().manual_seed(seed)
    for name in (*structure.convolutions, *structure.linears):
        weight = weight_of(network, name)
        bound = 1 / math.sqrt(weight[0].numel())
        fresh = torch.empty(weight.shape).uniform_(-bound, bound, generator=generator)
        weight.copy_(fresh)
