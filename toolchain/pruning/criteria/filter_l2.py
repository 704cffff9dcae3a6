"""A filter is worth its L2 norm (the paper's criterion for convolutions; Li et al. 2017 use L1)."""

from __future__ import annotations

import torch

__all__ = ["filter_l2"]


def filter_l2(weight: torch.Tensor) -> torch.Tensor:
    """Scores [out_channels] of a convolution's weight [out_channels, in/groups, kH, kW]."""
    norms: torch.Tensor = torch.linalg.vector_norm(weight.detach().flatten(1), dim=1)
    return norms
