"""A single weight is worth its magnitude (the paper's criterion for fully-connected layers)."""

from __future__ import annotations

import torch

__all__ = ["magnitude"]


def magnitude(weight: torch.Tensor) -> torch.Tensor:
    """Scores of the same shape as ``weight``."""
    return weight.detach().abs()
