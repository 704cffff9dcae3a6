"""Chance: the control that every other criterion has to beat.

Mittal et al. 2018, "Recovering from Random Pruning", is why it belongs in every comparison.
"""

from __future__ import annotations

import torch

from ..units import state_of
from .asked import Asked, Worth

__all__ = ["worth"]


def worth(asked: Asked) -> Worth:
    """Scores drawn evenly from (0, 1] by the seed; 0 for what is zero already."""
    state = state_of(asked.network)
    generator = torch.Generator().manual_seed(asked.seed)
    scores = []
    for part in asked.parts:
        drawn = 1 - torch.rand(part.units, generator=generator)
        living = torch.zeros(part.units, dtype=torch.bool)
        for one in part.weights(asked.network):
            living |= (one.sums(state[one.tensor].detach().abs(), part.units) > 0).cpu()
        scores.append(drawn * living)
    return Worth(scores)
