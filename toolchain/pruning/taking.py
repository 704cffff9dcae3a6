"""How much of a part goes: the lowest scores, at least one unit kept, counts rounded."""

from __future__ import annotations

import math

import torch

from .units import Part

__all__ = ["keep_best", "rounded", "take"]


def take(part: Part, scores: torch.Tensor, fraction: float, round_to: int) -> torch.Tensor:
    """Which units of ``part`` stay when ``fraction`` of them goes: bool [units]."""
    count = min(math.floor(part.units * fraction + 0.5), part.units - 1)
    kept = keep_best(scores, part.units - count)
    return rounded(part, scores, kept, round_to) if len(part.blocks) else kept


def keep_best(scores: torch.Tensor, count: int) -> torch.Tensor:
    """The ``count`` highest of ``scores`` as bool; of equal ones the later stay."""
    removed = scores.numel() - count
    if removed <= 0:
        return torch.ones_like(scores, dtype=torch.bool)
    threshold = scores.kthvalue(removed).values
    kept = scores > threshold
    equal = torch.nonzero(scores == threshold).flatten()
    kept[equal[removed - int((scores < threshold).sum()) :]] = True
    return kept


def rounded(part: Part, scores: torch.Tensor, kept: torch.Tensor, round_to: int) -> torch.Tensor:
    """``kept`` with at least one unit in every block and ``round_to`` channels' multiples in it.

    A block that loses nothing, or is narrower than ``round_to``, keeps its count.
    """
    result = kept.clone()
    for block in sorted(set(part.blocks.tolist())):
        mine = torch.nonzero(part.blocks == block).flatten()
        whole, left = len(mine), max(int(kept[mine].sum()), 1)
        step = round_to // math.gcd(round_to, int(part.widths[mine[0]]))
        if left < whole and whole >= step:
            left = max(math.floor(left / step + 0.5), 1) * step
            left = left if left <= whole else whole // step * step
        result[mine] = keep_best(scores[mine], left)
    return result
