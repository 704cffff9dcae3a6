"""The integers an activation may take, and how a range is laid over them."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import InputError

__all__ = ["SIGNED", "UNSIGNED", "Grid", "Range"]

Range = tuple[float, float]

_NO_WIDTH = 256 * 2.0**-126

_SCALE_OF_NOTHING = 2.0**-16
"""Biases are stored in steps of their layer's input scale times its weights' scales: of weights
about 1, those from a millionth to some hundreds keep their values."""


@dataclass(frozen=True)
class Grid:
    """The integers ``lowest`` to ``highest``, both included; zero is always among their values.

    Symmetric grids keep the value 0 at the integer in their middle and reach as far below it as
    above, as TensorRT wants them.
    """

    lowest: int
    highest: int
    symmetric: bool = False

    def __post_init__(self) -> None:
        if self.highest - self.lowest < 2:
            raise InputError(
                f"a grid from {self.lowest} to {self.highest}; expected 3 integers or more"
            )

    @property
    def levels(self) -> int:
        """How many integers there are."""
        return self.highest - self.lowest + 1

    def widened(self, low: float, high: float) -> Range:
        """The least range around ``low`` and ``high`` that this grid can take.

        It holds zero, and reaches equally far to both sides where the grid is symmetric.
        """
        low, high = min(low, 0.0), max(high, 0.0)
        if self.symmetric:
            high = max(-low, high)
            low = -high
        return low, high

    def parameters(self, low: float, high: float) -> tuple[float, int]:
        """Scale and zero point for a range, as ONNX Runtime's quantiser computes them.

        A real value x becomes ``round(x / scale) + zero point``, saturated. A range without width,
        or so narrow that its scale would be no normal float32, has one that is small: its values
        are all about zero, but the biases of the layer that reads them must not vanish with them.
        """
        low, high = self.widened(low, high)
        if max(high, -low) < _NO_WIDTH:
            return _SCALE_OF_NOTHING, self._middle if self.symmetric else self.lowest
        if self.symmetric:
            middle = self._middle
            return high / min(self.highest - middle, middle - self.lowest), middle
        scale = (high - low) / (self.levels - 1)
        return scale, round(self.lowest - low / scale)

    @property
    def _middle(self) -> int:
        return (self.lowest + self.highest + 1) // 2


UNSIGNED = Grid(0, 255)
"""Asymmetric uint8: what ONNX Runtime's x86 kernels want."""

SIGNED = Grid(-128, 127)
"""Asymmetric int8: what its ARM kernels want."""
