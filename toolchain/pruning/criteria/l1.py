"""L1 norm: a filter is worth the sum of its weights' magnitudes, a weight its own.

Li et al. 2017, "Pruning Filters for Efficient ConvNets"; Han et al. 2015 for single weights. Of a
channel the norm is over all weights that go with it, those that read it included (Fang et al. 2023,
"DepGraph", section 3.3).
"""

from __future__ import annotations

import torch

from ..units import Part, state_of
from .asked import Asked, Worth

__all__ = ["worth"]


def worth(asked: Asked) -> Worth:
    """Scores in the weights' own unit."""
    state = state_of(asked.network)

    def of(part: Part) -> torch.Tensor:
        sums = [
            one.sums(state[one.tensor].detach().abs(), part.units)
            for one in part.weights(asked.network)
        ]
        return sums[0] if len(sums) == 1 else torch.stack(sums).sum(0)

    return Worth([of(part) for part in asked.parts])
