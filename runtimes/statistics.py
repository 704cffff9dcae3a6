"""Intervals: how far a measured share, and a ratio of medians, can be trusted."""

from __future__ import annotations

from math import atan, cos, pi, sin, sqrt
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LEAST_VALUES", "median_interval", "student95", "wilson"]

LEAST_VALUES = 6
"""Fewer values than this have no 95% interval of their median: 2 / 2**5 is over 5%."""

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


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The median of ``values`` and its 95% interval, as (median, low, high).

    The interval runs between two of the values: the k-th smallest and the k-th largest, with the
    largest k that keeps the binomial chance of missing the true median at 5% or less. It holds
    for any distribution and any number of values, as long as they are independent (David and
    Nagaraja, "Order Statistics", 2003, section 7.1). Raises ValueError for fewer than
    `LEAST_VALUES`, whose whole range covers the median less often than that.
    """
    if len(values) < LEAST_VALUES:
        raise ValueError(f"{len(values)} values; a 95% interval takes {LEAST_VALUES} or more")
    ordered = sorted(float(value) for value in values)
    rank = _rank(len(ordered))
    return median(ordered), ordered[rank], ordered[-1 - rank]


def _rank(count: int) -> int:
    """How many of ``count`` values lie beyond the interval on either side."""
    # Whole numbers throughout: chances as multiples of 2**-count, 1/40 allowed on either side.
    ways = beyond = 1
    rank = 0
    while True:
        ways = ways * (count - rank) // (rank + 1)
        beyond += ways
        if 40 * beyond > 1 << count:
            return rank
        rank += 1


def student95(freedom: int) -> float:
    """Student's t: the 97.5% quantile for ``freedom`` degrees of freedom, 1 or more.

    Found by halving from the distribution function, which for whole degrees of freedom is a finite
    sum (Abramowitz and Stegun, "Handbook of Mathematical Functions", 1964, 26.7.3 and 26.7.4).
    """
    low, high = _Z95, 13.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if _student_within(middle, freedom) < 0.95 else (low, middle)
    return (low + high) / 2


def _student_within(t: float, freedom: int) -> float:
    """The probability that Student's t lies between -t and t."""
    angle = atan(t / sqrt(freedom))
    square = cos(angle) ** 2
    odd = freedom % 2
    term = cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for number in range(2 + odd, freedom - 1, 2):
        term *= square * (number - 1) / number
        total += term
    return (2 / pi) * (angle + sin(angle) * total) if odd else sin(angle) * total
