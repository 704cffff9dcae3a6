"""What was seen of a network's tensors, and the ranges that follow from it by each method."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...errors import InputError
from .entropy import entropy_range
from .mse import mse_range
from .percentile import check_percentile, percentile_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .grid import Grid, Range
    from .histogram import Histogram

__all__ = ["HISTOGRAM_METHODS", "METHODS", "Observations", "check_method"]

HISTOGRAM_METHODS: tuple[str, ...] = ("percentile", "entropy", "mse")
"""These need a second pass over the images."""

METHODS: tuple[str, ...] = ("minmax", "moving-average", *HISTOGRAM_METHODS)


@dataclass(frozen=True)
class Observations:
    """Statistics of each observed tensor over all calibration images."""

    grid: Grid
    images: int
    """How many images were seen."""
    minmax: Mapping[str, Range]
    """Tensor -> its least and greatest value."""
    averages: Mapping[str, Range]
    """Tensor -> both by moving average."""
    histograms: Mapping[str, Histogram]
    """Tensor -> its values; empty where no method asked for histograms."""
    _done: dict[tuple[str, float], dict[str, Range]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def ranges(self, method: str, *, percentile: float = 99.99) -> dict[str, Range]:
        """The range of each tensor by ``method``: it holds zero, and fits the grid.

        ``percentile`` is used by that method alone. Raises InputError for an unknown method, one
        whose histograms were not asked for, or a percentile out of range.
        """
        check_method(method)
        check_percentile(percentile)
        if method in HISTOGRAM_METHODS and not self.histograms:
            raise InputError(
                f"no histograms were taken for method '{method}'; name it when observing"
            )
        key = (method, percentile if method == "percentile" else 0.0)
        if key not in self._done:
            self._done[key] = {
                tensor: self._range(tensor, method, percentile) for tensor in self.minmax
            }
        return dict(self._done[key])

    def _range(self, tensor: str, method: str, percentile: float) -> Range:
        if method == "minmax":
            return self.grid.widened(*self.minmax[tensor])
        if method == "moving-average":
            return self.grid.widened(*self.averages[tensor])
        histogram = self.histograms[tensor]
        if method == "percentile":
            return percentile_range(histogram, self.grid, percentile)
        if method == "entropy":
            return entropy_range(histogram, self.grid)
        return mse_range(histogram, self.grid)


def check_method(method: str) -> None:
    """Raise InputError unless ``method`` is one of `METHODS`."""
    if method not in METHODS:
        raise InputError(
            f"unknown calibration method '{method}': expected one of {', '.join(METHODS)}"
        )
