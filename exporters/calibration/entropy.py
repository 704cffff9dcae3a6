"""Entropy: the range whose quantised distribution tells least apart from the original.

Migacz 2017 ("8-bit inference with TensorRT", GTC S7310): clip the histogram, put what was clipped
into its last bin, merge its bins into as many groups as the grid has levels, spread each group
evenly over its bins that are not empty, and take the Kullback-Leibler divergence of the two. Here
this is done at both ends where a tensor has both signs, over every candidate, through cumulative
sums. A bin far above its neighbours is one value that occurs often: what a Relu cut off, or the
answer of a filter to a plain background. Spread over its group it would outweigh all else and have
the clip cut through the largest values, so it counts for no more than its neighbours
(pytorch-quantization's calib/histogram.py does so with the bin of zero).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .clip_search import search
from .histogram import single_values

if TYPE_CHECKING:
    import numpy as np

    from .grid import Grid, Range
    from .histogram import Histogram

    Array = np.ndarray[Any, Any]

__all__ = ["divergences", "entropy_range"]

_LEAST_GAIN = 1e-12
"""Differences below this are noise of the sums."""


def entropy_range(histogram: Histogram, grid: Grid) -> Range:
    """The range of least divergence; the whole one where no clip is better."""
    import numpy as np

    low, high = grid.widened(histogram.low, histogram.high)
    counts, zero = histogram.counts().astype(np.float64), histogram.zero
    levels = grid.levels
    if grid.symmetric:
        counts, zero = histogram.folded().astype(np.float64), 0
        levels = (levels + 1) // 2
    counts = _levelled(counts, zero)
    if not counts.any():
        return low, high

    def cost(below: Array, above: Array) -> Array:
        first = zero - np.ceil(below * zero).astype(np.intp)
        last = zero + 1 + np.ceil(above * (len(counts) - 1 - zero)).astype(np.intp)
        return divergences(counts, levels, first, last)

    below, above = search(histogram, cost, symmetric=grid.symmetric, smooth=False)
    return low * below, high * above


def divergences(counts: Array, levels: int, first: Array, last: Array) -> Array:
    """Kullback-Leibler divergence in nats for each clip to the bins ``first <= k < last``.

    ``counts`` are float64 [bins]; ``first`` and ``last`` are int [candidates]. Infinite where a
    clip has fewer bins than ``levels``, or puts weight where the quantised distribution has none.
    """
    import numpy as np

    weights = _cumulative(counts)
    filled = _cumulative((counts > 0).astype(np.float64))
    products = _cumulative(_x_log_x(counts))
    borders = np.rint(
        first[:, None] + (last - first)[:, None] * (np.arange(levels + 1) / levels)
    ).astype(np.intp)
    group = np.diff(weights[borders], axis=1)
    bins = np.diff(filled[borders], axis=1)
    kept = group.sum(axis=1)
    ends = ((0, weights[first], counts[first]), (-1, weights[-1] - weights[last], counts[last - 1]))
    for end, clipped, own in ends:
        # An empty end bin that gets what was clipped has its share of the quantised weight too.
        bins[:, end] += (own == 0) & (clipped > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        cross = np.where(group > 0, group * np.log(group / bins), 0.0).sum(axis=1)
        entropy = products[last] - products[first]
        for end, clipped, own in ends:
            entropy = entropy + _x_log_x(own + clipped) - _x_log_x(own)
            share = np.log(group[:, end] / bins[:, end])
            cross = cross + np.where(clipped > 0, clipped * share, 0.0)
        total = weights[-1]
        result: Array = (entropy - cross) / total + np.log(kept / total)
    result[(last - first < levels) | ~np.isfinite(result)] = np.inf
    return np.where(result < _LEAST_GAIN, 0.0, result)


def _levelled(counts: Array, zero: int) -> Array:
    """The counts with zero, and any other single value that occurs often, brought down.

    The outermost bins stay: what a Clip gathers at its bound must not look cheap to cut off.
    """
    import numpy as np

    spikes, beside = single_values(counts)
    spikes[0] = spikes[-1] = False
    spikes[zero] = True
    return np.where(spikes, np.minimum(counts, beside), counts)


def _cumulative(values: Array) -> Array:
    import numpy as np

    return np.concatenate([[0.0], np.cumsum(values)])


def _x_log_x(values: Array) -> Array:
    import numpy as np

    return values * np.log(np.where(values > 0, values, 1.0))
