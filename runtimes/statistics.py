"""Intervals: how far a measured share, and a ratio of medians, can be trusted."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["median_interval", "wilson"]

_Z95 = 1.959963984540054
"""The normal distribution's 97.5% quantile."""


def wilson(correct: int, total: int) -> tuple[float, float]:
    """Wilson's 95% score interval for ``correct`` of ``total``, as fractions.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927; good
    near 0 and 1 too, where the textbook interval fails. Raises ValueError for impossible counts.
    """
    if total < 1 or not 0 <= correct <= total:
        raise ValueError(f"{correct} of {total}")
    share, square = correct / total, _Z95 * _Z95
    centre = (share + square / (2 * total)) / (1 + square / total)
    spread = (
        _Z95
        * sqrt(share * (1 - share) / total + square / (4 * total * total))
        / (1 + square / total)
    )
    # Rounding must not push the interval past the share it is about.
    return max(0.0, min(centre - spread, share)), min(1.0, max(centre + spread, share))


def median_interval(
    values: Sequence[float], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """The median of ``values`` and its 95% bootstrap interval, as (median, low, high).

    Percentile bootstrap (Efron, "Bootstrap methods", 1979), seeded: the same values give the same
    interval. Raises ValueError where there are no values.
    """
    import numpy as np

    if not values:
        raise ValueError("no values")
    sample = np.asarray(values, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(0, len(sample), size=(resamples, len(sample)))
    low, high = np.percentile(np.median(sample[picks], axis=1), [2.5, 97.5])
    return float(np.median(sample)), float(low), float(high)
