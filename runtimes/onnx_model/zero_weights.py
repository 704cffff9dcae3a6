"""Zeros among weights: which elements they are, and which of them make up whole channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["whole_zeros", "zero_mask"]


def zero_mask(
    values: np.ndarray[Any, Any], zero: np.ndarray[Any, Any] | None, axis: int, block: int
) -> np.ndarray[Any, Any]:
    """Bool, of the shape of ``values``: what equals 0, or the zero-point; NaN does not.

    ``zero`` is a zero-point for all, one for each index of ``axis``, or one for each ``block`` of
    indices there; None where there is none.
    """
    import numpy as np

    if zero is None or not np.any(zero):
        return np.asarray(values == 0)
    if block and zero.ndim == values.ndim:
        zero = np.repeat(zero, block, axis)
        zero = np.take(zero, np.arange(values.shape[axis]), axis)
    elif zero.size > 1 and -values.ndim <= axis < values.ndim:
        shape = [1] * values.ndim
        shape[axis] = zero.size
        zero = zero.reshape(shape)
    return np.asarray(values == zero)


def whole_zeros(mask: np.ndarray[Any, Any], groups: int = 1) -> int:
    """How many zeros of a layer's weight make up whole filters, neurons or input channels.

    ``mask`` marks the zeros of a weight with its channels on the first two axes, of which the first
    has ``groups`` parts, as convolutions and their transposes have.
    """
    import numpy as np

    if mask.ndim < 2 or not mask.any():
        return 0
    parts = groups if groups > 0 and mask.shape[0] % groups == 0 else 1
    grouped = mask.reshape(parts, mask.shape[0] // parts, mask.shape[1], -1)
    whole = grouped.all(axis=(2, 3), keepdims=True) | grouped.all(axis=(1, 3), keepdims=True)
    return int(np.count_nonzero(grouped & whole))
