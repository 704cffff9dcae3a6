"""The range of each tensor to be quantised, from what it was observed to be on real images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .grid import SIGNED, UNSIGNED, Grid, Range
from .observations import METHODS, Observations
from .observe import observe, passes

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

__all__ = [
    "METHODS",
    "SIGNED",
    "UNSIGNED",
    "Grid",
    "Observations",
    "Range",
    "minmax_ranges",
    "observe",
    "passes",
]


def minmax_ranges(
    model: ModelProto,
    tensors: Sequence[str],
    batches: Iterable[np.ndarray[Any, Any]],
    *,
    threads: int = 0,
) -> dict[str, Range]:
    """The least and the greatest value of each of ``tensors`` over ``batches``, as `observe`."""
    return observe(model, tensors, lambda: iter(batches), threads=threads).ranges("minmax")
