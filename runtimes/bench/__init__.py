"""The bench: files measured against each other, fairly, in one run."""

from __future__ import annotations

from ..accuracy.accuracy import TestPart
from .against_itself import SelfCheck, self_check
from .measure import bench
from .result import BenchResult, FileResult
from .settings import BenchSettings

__all__ = [
    "BenchResult",
    "BenchSettings",
    "FileResult",
    "SelfCheck",
    "TestPart",
    "bench",
    "self_check",
]
