"""Min-max: a tensor's range is all that it was ever seen to take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["MinMax"]


class MinMax:
    """The least and greatest value of each of ``tensors`` tensors, run after run."""

    def __init__(self, tensors: int) -> None:
        import numpy as np

        self.low: np.ndarray[Any, Any] = np.full(tensors, np.inf)
        self.high: np.ndarray[Any, Any] = np.full(tensors, -np.inf)

    def add(self, low: np.ndarray[Any, Any], high: np.ndarray[Any, Any]) -> None:
        """Take in one run's least and greatest values, float64 [tensors] each."""
        import numpy as np

        np.minimum(self.low, low, out=self.low)
        np.maximum(self.high, high, out=self.high)
