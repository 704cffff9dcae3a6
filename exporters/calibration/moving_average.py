"""Moving average: the range of a typical group of images, so that one odd image cannot widen it.

Jacob et al. 2018 (arXiv 1712.05877, section 3.1) smooth the ranges seen in training by exponential
moving averages; PyTorch's MovingAverageMinMaxObserver does it in calibration. Theirs start at the
first batch, which with few batches then rules the result; here the weights of all groups add up to
1 (the bias correction of Adam, arXiv 1412.6980, section 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .minmax import MinMax

if TYPE_CHECKING:
    import numpy as np

__all__ = ["GROUP", "MOMENTUM", "MovingAverage"]

GROUP = 32
"""Images whose least and greatest values are one sample, however the images come in batches."""

MOMENTUM = 0.9
"""What the average keeps of itself at each full group; a last, smaller one counts for its share."""


class MovingAverage:
    """The averaged least and greatest value of each of ``tensors`` tensors."""

    def __init__(self, tensors: int) -> None:
        import numpy as np

        self._tensors = tensors
        self._low: np.ndarray[Any, Any] = np.zeros(tensors)
        self._high: np.ndarray[Any, Any] = np.zeros(tensors)
        self._weight = 0.0
        self._group = MinMax(tensors)
        self._images = 0

    def add(self, low: np.ndarray[Any, Any], high: np.ndarray[Any, Any], images: int) -> None:
        """Take in the least and greatest values of a run of ``images`` images."""
        self._group.add(low, high)
        self._images += images
        if self._images >= GROUP:
            self._close()

    def result(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The averages, float64 [tensors] each; at least one run must have been added."""
        if self._images:
            self._close()
        return self._low / self._weight, self._high / self._weight

    def _close(self) -> None:
        share = (1 - MOMENTUM) * min(self._images / GROUP, 1.0)
        self._low += share * (self._group.low - self._low)
        self._high += share * (self._group.high - self._high)
        self._weight += share * (1 - self._weight)
        self._group, self._images = MinMax(self._tensors), 0
