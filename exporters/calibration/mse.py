"""MSE: the range that makes the mean squared error of rounding and clipping least.

Banner et al. 2019 (arXiv 1810.05723, section 3) balance the two errors for assumed distributions;
here the error is integrated over what was counted, on the very grid that will be used: its scale,
its rounded zero point, its saturation at both ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .clip_search import search

if TYPE_CHECKING:
    import numpy as np

    from .grid import Grid, Range
    from .histogram import Histogram

    Array = np.ndarray[Any, Any]

__all__ = ["mse_range", "squared_errors"]


def mse_range(histogram: Histogram, grid: Grid) -> Range:
    """The range of least mean squared error; the whole one where no clip is better."""
    low, high = grid.widened(histogram.low, histogram.high)
    moments = _moments(histogram)

    def cost(below: Array, above: Array) -> Array:
        return _errors(moments, histogram, grid, low * below, high * above)

    below, above = search(histogram, cost, symmetric=grid.symmetric)
    return low * below, high * above


def squared_errors(histogram: Histogram, grid: Grid, low: Array, high: Array) -> Array:
    """The mean squared error of quantising the counted values, for each range: float64 [ranges].

    In the tensor's unit, squared. Within a bin the values are taken to be spread evenly.
    """
    return _errors(_moments(histogram), histogram, grid, low, high) / max(
        int(histogram.counts().sum()), 1
    )


def _moments(histogram: Histogram) -> list[tuple[Array, Array]]:
    """For x^0, x^1, x^2: the density in each bin, and its integral up to each bin's lower edge.

    x counts bins from the value 0; one empty bin at the end stands for all that lies beyond.
    """
    import numpy as np

    counts = np.append(histogram.counts(), 0).astype(np.float64)
    edges = np.arange(len(counts) + 1) - histogram.zero - 0.5
    moments = []
    for power in (1, 2, 3):
        inside = counts * (edges[1:] ** power - edges[:-1] ** power) / power
        moments.append((counts / power, np.concatenate([[0.0], np.cumsum(inside)])[:-1]))
    return moments


def _errors(
    moments: list[tuple[Array, Array]], histogram: Histogram, grid: Grid, low: Array, high: Array
) -> Array:
    """Summed squared error of each range [candidates], by cells that round to the same level."""
    import numpy as np

    parameters = [grid.parameters(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    scale = np.array([scale for scale, _ in parameters])[:, None] / histogram.width
    zero = np.array([zero for _, zero in parameters])[:, None]
    values = (np.arange(grid.lowest, grid.highest + 1) - zero) * scale
    first = -histogram.zero - 0.5
    last = first + len(moments[0][0]) - 1
    borders = np.clip(values[:, :-1] + scale / 2, first, last)
    ends = np.ones((len(values), 1))
    borders = np.concatenate([first * ends, borders, last * ends], axis=1)
    bins = np.floor(borders - first).astype(np.intp)
    left = bins + first
    sums = []
    for power, (density, below) in enumerate(moments, start=1):
        upto = below[bins] + density[bins] * (borders**power - left**power)
        sums.append(np.diff(upto, axis=1))
    mass, mean, square = sums
    errors: Array = (square - 2 * values * mean + values**2 * mass).sum(axis=1)
    return errors * histogram.width**2
