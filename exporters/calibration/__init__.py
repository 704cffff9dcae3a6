"""The range of each tensor to be quantised, from what it was observed to be on real images."""

from __future__ import annotations

from .grid import SIGNED, UNSIGNED, Grid, Range
from .observations import METHODS, Observations
from .observe import observe, passes

__all__ = [
    "METHODS",
    "SIGNED",
    "UNSIGNED",
    "Grid",
    "Observations",
    "Range",
    "observe",
    "passes",
]
