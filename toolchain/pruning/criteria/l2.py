"""L2 norm: a filter is worth the root of the sum of its squared weights, a weight its magnitude.

The paper's criterion for convolutions (Paupamah, James, Klein 2020, section III). Of a channel the
norm is over all weights that go with it, those that read it included (Fang et al. 2023, "DepGraph",
section 3.3).
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
        if part.elements:
            return state[part.slices[0].tensor].detach().abs().flatten()
        sums = [
            one.sums(state[one.tensor].detach().square(), part.units)
            for one in part.weights(asked.network)
        ]
        return torch.stack(sums).sum(0).sqrt()

    return Worth([of(part) for part in asked.parts])
