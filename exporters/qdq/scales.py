"""Scales and zero points: of activations by their ranges, of weights and biases by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .weights import QuantisedWeight

if TYPE_CHECKING:
    import numpy as np
    from onnx import NodeProto, TensorProto

    from ..profiles import Profile

__all__ = [
    "Range",
    "Scale",
    "activation_scale",
    "clip_bounds",
    "integer_bounds",
    "integer_limits",
    "quantise_bias",
    "quantise_weight",
]

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


def clip_bounds(node: NodeProto, known: Mapping[str, TensorProto]) -> Range:
    """Between which values a Relu or Clip leaves its input as it is.

    Infinite where it has no bound, or one that is not among the constants ``known``.
    """
    from onnx import numpy_helper

    if node.op_type == "Relu":
        return 0.0, float("inf")
    values = [-float("inf"), float("inf")]
    for index, name in enumerate(node.input[1:3]):
        if name in known:
            values[index] = float(numpy_helper.to_array(known[name]))
    return values[0], values[1]


def integer_limits(scale: Scale) -> tuple[int, int]:
    """The least and the greatest integer of 8 bits."""
    return (-128, 127) if scale.signed else (0, 255)


def integer_bounds(bounds: Range, scale: Scale) -> tuple[int, int]:
    """``bounds`` as integers of ``scale``, within the limits of those."""
    import numpy as np

    lowest, highest = integer_limits(scale)
    low, high = np.clip(np.rint(np.array(bounds) / scale.scale) + scale.zero_point, lowest, highest)
    return int(low), int(high)


def quantise_weight(
    weight: np.ndarray[Any, Any],
    axis: int,
    limit: int,
    *,
    bias: np.ndarray[Any, Any] | None = None,
    input_scale: float = 1.0,
) -> QuantisedWeight:
    """``weight`` rounded to nearest, symmetric up to ``limit``, with a scale for each channel of
    ``axis``.

    A channel's scale is made greater where its ``bias``, which is stored as a multiple of input
    scale times weight scale, would not fit int32.
    """
    import numpy as np

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
