"""Means over seeds, their spread, and what paired differences show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

__all__ = ["Difference", "Spread"]

# Student's t, 97.5 % quantile for 1, 2, … degrees of freedom.
_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


@dataclass(frozen=True)
class Spread:
    """The mean of some values and their standard deviation, None for a single value."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value or more; the deviation is the sample's (n - 1)."""
        return cls(fmean(values), stdev(values) if len(values) > 1 else None)


@dataclass(frozen=True)
class Difference:
    """First minus second, over pairs: the mean, its 95 % interval, the number of pairs.

    The interval is Student's t on the paired differences; None for a single pair.
    """

    mean: float
    interval: tuple[float, float] | None
    pairs: int

    @classmethod
    def of(cls, first: Sequence[float], second: Sequence[float]) -> Difference:
        """Of values paired by their place; ValueError where one list is longer."""
        differences = [a - b for a, b in zip(first, second, strict=True)]
        mean, pairs = fmean(differences), len(differences)
        if pairs == 1:
            return cls(mean, None, 1)
        # Beyond the table its last entry: a little too wide, never too narrow.
        quantile = _T95[min(pairs - 1, len(_T95)) - 1]
        half = quantile * stdev(differences) / math.sqrt(pairs)
        return cls(mean, (mean - half, mean + half), pairs)

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of 0; 0 where nothing is shown."""
        if self.interval is None:
            return 0
        low, high = self.interval
        return (low > 0) - (high < 0)
