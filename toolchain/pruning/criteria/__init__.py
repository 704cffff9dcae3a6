"""What a weight is worth. One criterion a file, one line in this table."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .filter_l2 import filter_l2
from .magnitude import magnitude

__all__ = ["CRITERIA"]

CRITERIA: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "filter-l2": filter_l2,
    "magnitude": magnitude,
}
