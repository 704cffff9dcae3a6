"""Scales and zero points: of activations by their ranges, of weights and biases by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .qdq_weights import QuantisedWeight

if TYPE_CHECKING:
    import numpy as np

    from .profiles import Profile

__all__ = ["Range", "Scale", "activation_scale", "quantise_bias", "quantise_weight"]

Range = tuple[float, float]

_BIAS_LIMIT = 2.0**30
"""Greatest integer that a bias becomes: half of int32 is left for the sum of products."""


@dataclass(frozen=True)
class Scale:
    """Value = (integer - zero_point) x scale."""

    scale: float
    zero_point: int
    signed: bool


def activation_scale(span: Range, profile: Profile) -> Scale:
    """The asymmetric 8-bit scale that covers ``span`` and represents zero exactly."""
    import numpy as np

    scale, zero_point = profile.grid.parameters(*span)
    return Scale(float(np.float32(scale)), int(zero_point), profile.signed_activations)


def quantise_weight(
    weight: np.ndarray[Any, Any],
    axis: int,
    profile: Profile,
    *,
    bias: np.ndarray[Any, Any] | None = None,
    input_scale: float = 1.0,
) -> QuantisedWeight:
    """``weight`` rounded to nearest, symmetric, with a scale for each channel of ``axis``.

    A channel's scale is made greater where its ``bias``, which is stored as a multiple of input
    scale times weight scale, would not fit int32.
    """
    import numpy as np

    limit = 64 if profile.reduce_range else 127
    others = tuple(index for index in range(weight.ndim) if index != axis)
    highest = weight.max(axis=others, initial=0.0)
    greatest = np.maximum(highest, -weight.min(axis=others, initial=0.0))
    scales = greatest.astype(np.float64) / limit
    tiny = float(np.finfo(np.float32).tiny)
    if bias is not None:
        least = np.abs(bias.astype(np.float64).reshape(-1)) / (_BIAS_LIMIT * input_scale)
        # A channel without weights, dead after pruning, is its bias alone: any scale that fits.
        scales = np.maximum(scales, least)
    scales = np.where(scales < tiny, 1.0, scales).astype(np.float32)
    shape = [1] * weight.ndim
    shape[axis] = -1
    values = weight / scales.reshape(shape)
    np.rint(values, out=values)
    np.clip(values, -limit, limit, out=values)
    return QuantisedWeight(values.astype(np.int8), scales, axis)


def quantise_bias(
    bias: np.ndarray[Any, Any], input_scale: float, scales: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """``bias`` as int32 multiples of input scale times weight scale, and those products."""
    import numpy as np

    steps = (np.float32(input_scale) * scales).astype(np.float32)
    rounded = np.rint(bias.astype(np.float64).reshape(-1) / steps)
    limits = np.iinfo(np.int32)
    return rounded.clip(limits.min, limits.max).astype(np.int32), steps
