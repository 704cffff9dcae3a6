"""Weights whose int8 values were chosen before the quantiser runs, e.g. by AdaRound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import InputError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["QuantisedWeight"]


@dataclass(frozen=True, eq=False)
class QuantisedWeight:
    """An initialiser in int8, symmetric (zero point 0), with a scale for each output channel.

    Raises InputError where the three do not fit each other.
    """

    values: np.ndarray[Any, Any]
    """int8, of the initialiser's shape."""
    scales: np.ndarray[Any, Any]
    """float32 [channels], one for each index of ``axis``: value x scale is the weight."""
    axis: int
    """The output channels' axis, 0 or more."""

    def __post_init__(self) -> None:
        import numpy as np

        values, scales, axis = self.values, self.scales, self.axis
        if values.dtype != np.int8 or scales.dtype != np.float32:
            raise InputError(
                f"quantised weight of {values.dtype} with scales of {scales.dtype}; "
                "expected int8 and float32"
            )
        if not 0 <= axis < values.ndim or scales.shape != (values.shape[axis],):
            raise InputError(
                f"quantised weight {list(values.shape)} with scales {list(scales.shape)}; "
                f"expected one scale for each index of axis {axis}"
            )
        if not np.isfinite(scales).all() or (scales <= 0).any():
            raise InputError("quantised weight with a scale that is no positive number")
