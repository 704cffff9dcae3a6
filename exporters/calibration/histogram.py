"""Count how often a tensor takes which values: bins of one width, one of them centred on zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import InputError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["BINS", "Histogram", "single_values"]

BINS = 8192
"""32 for each level of an 8-bit grid at the full range."""

_SPIKE = 4
"""A bin that holds more than so many times its neighbours' counts is a single, frequent value."""

_CHUNK = 65536
"""Values binned at a time: the intermediate arrays then stay in the processor's cache."""

_MARGIN = 1
"""Spare bins at either end, for values that rounding carries over the edge."""

_LEAST_SPAN = 1e-30
"""Below this a tensor is as good as zero, and float32 cannot hold the inverse of a bin's width."""


class Histogram:
    """Counts of a tensor's values between ``low`` and ``high``, both widened to include zero.

    Bin k holds the values around ``(k - zero) * width``, half a width to either side; bin ``zero``
    therefore is centred on 0. Memory is fixed: values are counted and forgotten.
    """

    def __init__(self, low: float, high: float, bins: int = BINS) -> None:
        import numpy as np

        self.low, self.high = min(low, 0.0), max(high, 0.0)
        span = self.high - self.low
        self.width = span / (bins - 1) if span > _LEAST_SPAN else 1.0
        """In the tensor's own unit."""
        self.zero = round(-self.low / self.width)
        """The bin centred on the value 0."""
        self._counts = np.zeros(bins + 2 * _MARGIN, np.int64)

    def add(self, values: np.ndarray[Any, Any]) -> None:
        """Count all of ``values``, float32 of any shape.

        Raises InputError where one lies outside the range this histogram was made for.
        """
        import numpy as np

        flat = values.reshape(-1)
        scale = np.float32(1.0 / self.width)
        shift = np.float32(self.zero + _MARGIN + 0.5)
        scaled = np.empty(min(len(flat), _CHUNK), np.float32)
        bins = np.empty(len(scaled), np.intp)
        for start in range(0, len(flat), _CHUNK):
            part = flat[start : start + _CHUNK]
            here, index = scaled[: len(part)], bins[: len(part)]
            np.multiply(part, scale, out=here)
            np.add(here, shift, out=here)
            if not (here.min() >= 0 and here.max() < len(self._counts)):
                raise InputError(
                    "the calibration images of the second pass are not those of the first; "
                    "expected every call to yield the same images"
                )
            np.copyto(index, here, casting="unsafe")  # all are positive, so this rounds down
            self._counts += np.bincount(index, minlength=len(self._counts))

    def counts(self) -> np.ndarray[Any, Any]:
        """How many values fell into each bin: int64 [bins]."""
        counts: np.ndarray[Any, Any] = self._counts[_MARGIN:-_MARGIN].copy()
        counts[0] += self._counts[0]
        counts[-1] += self._counts[-1]
        return counts

    def folded(self) -> np.ndarray[Any, Any]:
        """How many values are k bins away from zero, to either side: int64 [bins]."""
        import numpy as np

        counts = self.counts()
        above, below = counts[self.zero :], counts[self.zero :: -1]
        folded = np.zeros(max(len(above), len(below)), np.int64)
        folded[: len(above)] += above
        folded[1 : len(below)] += below[1:]
        return folded


def single_values(
    counts: np.ndarray[Any, Any],
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Which bins hold one value that occurs often, and the larger count beside each bin.

    Such are a Relu's 0, the bound of a Clip, a pixel's brightness: both results have one entry a
    bin, bool and the type of ``counts``.
    """
    import numpy as np

    padded = np.pad(counts, 1)
    beside = np.maximum(padded[:-2], padded[2:])
    return counts > _SPIKE * beside, beside
