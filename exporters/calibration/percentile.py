"""Percentile: a tensor's range holds a given share of its values; the few beyond are clipped.

McKinstry et al. 2018 (arXiv 1809.04191, section 3.2) and Wu et al. 2020 (arXiv 2004.09602, section
4) use 99.99 and the like. The values left out are cut off in equal parts at both ends, or all at
one end where a tensor has but one sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from .grid import Grid, Range
    from .histogram import Histogram

__all__ = ["check_percentile", "percentile_range"]


def check_percentile(percentile: float) -> None:
    """Raise InputError unless ``percentile`` is above 50 and at most 100."""
    if not 50 < percentile <= 100:
        raise InputError(f"percentile {percentile:g}; expected more than 50, and 100 at most")


def percentile_range(histogram: Histogram, grid: Grid, percentile: float) -> Range:
    """The range that holds ``percentile`` per cent of the values counted.

    Within a bin the values are taken to be spread evenly.
    """
    check_percentile(percentile)
    outside = 1 - percentile / 100
    if grid.symmetric:
        reach = histogram.width * (_position(histogram.folded(), 1 - outside) - 0.5)
        limit = max(-histogram.low, histogram.high)
        return grid.widened(0.0, min(max(reach, 0.0), limit))
    sides = 2 if histogram.low < 0 < histogram.high else 1
    counts = histogram.counts()
    low = (_position(counts, outside / sides) - histogram.zero - 0.5) * histogram.width
    high = (_position(counts, 1 - outside / sides) - histogram.zero - 0.5) * histogram.width
    low = max(low, histogram.low) if histogram.low < 0 else 0.0
    high = min(high, histogram.high) if histogram.high > 0 else 0.0
    return grid.widened(low, high)


def _position(counts: np.ndarray[Any, Any], share: float) -> float:
    """Where, in bins from the first one's lower edge, ``share`` of all counts lie below."""
    import numpy as np

    below = np.concatenate([[0], np.cumsum(counts)])
    wanted = share * below[-1]
    place = int(np.searchsorted(below, wanted, side="left"))
    if place == 0:
        return float(np.argmax(counts > 0))
    return place - 1 + float((wanted - below[place - 1]) / counts[place - 1])
