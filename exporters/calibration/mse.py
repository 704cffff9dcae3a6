"""MSE: the range that makes the mean squared error of rounding and clipping least.

Banner et al. 2019 (arXiv 1810.05723, section 3) balance the two errors for assumed distributions;
here the error is integrated over what was counted, on the very grid that will be used: its scale,
its rounded zero point, its saturation at both ends.
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

__all__ = ["SquaredError", "mse_range"]


def mse_range(histogram: Histogram, grid: Grid) -> Range:
    """The range of least mean squared error; the whole one where no clip is better."""
    low, high = grid.widened(histogram.low, histogram.high)
    error = SquaredError(histogram, grid)

    def cost(below: Array, above: Array) -> Array:
        return error.of(low * below, high * above)

    below, above = search(histogram, cost, symmetric=grid.symmetric, smooth=True)
    return low * below, high * above


class SquaredError:
    """The mean squared error of quantising the counted values, for any range.

    Most bins are taken to hold values spread evenly over them. A bin far above its neighbours is a
    single value, such as a Relu's 0, the bound of a Clip or a pixel's brightness.
    """

    def __init__(self, histogram: Histogram, grid: Grid) -> None:
        import numpy as np

        self._grid, self._width = grid, histogram.width
        counts = histogram.counts().astype(np.float64)
        self._values = max(float(counts.sum()), 1.0)
        spikes, _ = single_values(counts)
        places = (np.arange(len(counts)) - histogram.zero).astype(np.float64)
        places = np.clip(places, histogram.low / self._width, histogram.high / self._width)
        # Zero is exact on every grid.
        kept = spikes & (places != 0)
        self._points, self._weights = places[kept], counts[kept]
        spread = np.append(np.where(spikes, 0.0, counts), 0.0)
        # Bins are counted from the value 0; an empty one at the end stands for all beyond.
        edges = np.arange(len(spread) + 1) - histogram.zero - 0.5
        self._first, self._last = float(edges[0]), float(edges[-2])
        self._moments = []
        for power in (1, 2, 3):
            inside = spread * (edges[1:] ** power - edges[:-1] ** power) / power
            below = np.concatenate([[0.0], np.cumsum(inside)])[:-1]
            self._moments.append((spread / power, below))

    def of(self, low: Array, high: Array) -> Array:
        """For each range from ``low`` to ``high``, float64 [ranges]: in the values' unit, squared.

        A range is laid on the grid as `Grid.parameters` does.
        """
        import numpy as np

        grid = self._grid
        laid = [grid.parameters(float(a), float(b)) for a, b in zip(low, high, strict=True)]
        scale = np.array([scale for scale, _ in laid])[:, None] / self._width
        zero = np.array([float(zero) for _, zero in laid])[:, None]
        errors = self._spread_errors(scale, zero)
        if len(self._points):
            integers = np.rint(self._points / scale) + zero
            values = (np.clip(integers, grid.lowest, grid.highest) - zero) * scale
            errors = errors + (values - self._points) ** 2 @ self._weights
        result: Array = errors * self._width**2 / self._values
        return result

    def _spread_errors(self, scale: Array, zero: Array) -> Array:
        """Summed over the cells of values that round to the same level."""
        import numpy as np

        values = (np.arange(self._grid.lowest, self._grid.highest + 1) - zero) * scale
        borders = np.clip(values[:, :-1] + scale / 2, self._first, self._last)
        ends = np.ones((len(values), 1))
        borders = np.concatenate([self._first * ends, borders, self._last * ends], axis=1)
        bins = np.floor(borders - self._first).astype(np.intp)
        left = bins + self._first
        sums = []
        for power, (density, below) in enumerate(self._moments, start=1):
            upto = below[bins] + density[bins] * (borders**power - left**power)
            sums.append(np.diff(upto, axis=1))
        mass, mean, square = sums
        errors: Array = (square - 2 * values * mean + values**2 * mass).sum(axis=1)
        return errors
