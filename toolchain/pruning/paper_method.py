"""The paper's choice of what to prune: the same fraction of every layer, each layer on its own.

Convolutions lose whole filters of smallest L2 norm, fully-connected layers single weights of
smallest magnitude (Paupamah, James, Klein 2020, section III).
"""

from __future__ import annotations

import math

import torch
from torch import nn

from .criteria.filter_l2 import filter_l2
from .criteria.magnitude import magnitude
from .structure import Structure, weight_of

__all__ = ["choose_kept"]


def choose_kept(
    network: nn.Module, structure: Structure, fraction: float
) -> dict[str, torch.Tensor]:
    """What each layer keeps when ``fraction`` of it goes; at least one filter or weight stays.

    Filters as bool [out_channels], weights as bool of the weight's shape. What is zero already
    scores lowest, so a later call with a larger fraction prunes on from there.
    """
    kept = {
        name: _keep_largest(filter_l2(weight_of(network, name)), fraction)
        for name in structure.convolutions
    }
    kept |= {
        name: _keep_largest(magnitude(weight_of(network, name)), fraction)
        for name in structure.linears
    }
    return kept


def _keep_largest(scores: torch.Tensor, fraction: float) -> torch.Tensor:
    count = min(math.floor(scores.numel() * fraction + 0.5), scores.numel() - 1)
    kept = torch.ones(scores.numel(), dtype=torch.bool, device=scores.device)
    kept[scores.flatten().argsort(stable=True)[:count]] = False
    return kept.view(scores.shape)
