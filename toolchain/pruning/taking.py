"""How much goes: the lowest scores, at least one unit of each part kept, counts rounded."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from .units import Part

__all__ = ["Ranking", "keep_best", "rounded", "take"]


def take(part: Part, scores: torch.Tensor, fraction: float) -> torch.Tensor:
    """Which units of ``part`` stay when ``fraction`` of them goes: bool [units].

    Units of infinite worth stay.
    """
    count = min(math.floor(part.units * fraction + 0.5), part.units - 1)
    if not part.elements:
        count = min(count, int(scores.isfinite().sum()))
    return keep_best(scores, part.units - count)


def keep_best(scores: torch.Tensor, count: int) -> torch.Tensor:
    """The ``count`` highest of ``scores`` as bool; of equal ones the later stay."""
    removed = scores.numel() - count
    if removed <= 0:
        return torch.ones_like(scores, dtype=torch.bool)
    threshold = _lowest(scores, removed)
    kept = scores > threshold
    if (missing := count - int(kept.count_nonzero())) > 0:
        equal = torch.nonzero(scores == threshold).flatten()
        kept[equal[len(equal) - missing :]] = True
    return kept


def _lowest(scores: torch.Tensor, place: int) -> torch.Tensor:
    """The ``place``-th smallest score, counted from 1."""
    if scores.device.type == "cpu":  # NumPy is twice as fast here.
        return torch.as_tensor(np.partition(scores.numpy(), place - 1)[place - 1])
    return scores.kthvalue(place).values


def rounded(part: Part, scores: torch.Tensor, kept: torch.Tensor, round_to: int) -> torch.Tensor:
    """``kept`` with at least one unit of the part, and of every block the multiples asked for.

    A block keeps a multiple of ``round_to`` channels, the nearest one; where it loses nothing or is
    narrower than that, its count stays. Units of infinite worth stay.
    """
    if not len(part.blocks):
        return kept if bool(kept.any()) else keep_best(scores, 1)
    result = kept.clone()
    for block in sorted(set(part.blocks.tolist())):
        mine = torch.nonzero(part.blocks == block).flatten()
        whole, left = len(mine), max(int(kept[mine].sum()), 1)
        step = round_to // math.gcd(round_to, int(part.widths[mine[0]]))
        if left < whole and whole >= step:
            endless = whole - int(scores[mine].isfinite().sum())
            left = max(math.floor(left / step + 0.5), math.ceil(endless / step), 1) * step
            left = left if left <= whole else max(whole // step * step, endless)
        result[mine] = keep_best(scores[mine], left)
    return result


class Ranking:
    """All units of all parts in one order, for one threshold over them."""

    def __init__(
        self,
        parts: Sequence[Part],
        scores: Sequence[torch.Tensor],
        sizes: Sequence[torch.Tensor],
        absolute: bool,
    ) -> None:
        """Scores are divided by the mean of their part's that are not zero, unless ``absolute``."""
        self._units = [part.units for part in parts]
        flat = [one if absolute else _relative(one) for one in (s.cpu().float() for s in scores)]
        values, self._order = torch.cat(flat).sort(stable=True)
        self._gone = torch.cat(list(sizes))[self._order].cumsum(0, dtype=torch.int64)
        self._finite = int(values.isfinite().sum())

    def take(self, fraction: float) -> list[torch.Tensor]:
        """Which units stay, part by part, when at most ``fraction`` of all weights goes."""
        allowed = math.floor(int(self._gone[-1]) * fraction + 0.5)
        count = int(torch.searchsorted(self._gone, allowed, right=True))
        kept = torch.ones(len(self._order), dtype=torch.bool)
        kept[self._order[: min(count, self._finite)]] = False
        return list(torch.split(kept, self._units))


def _relative(scores: torch.Tensor) -> torch.Tensor:
    known = scores[scores.isfinite() & (scores > 0)]
    return scores / known.mean() if len(known) else scores
