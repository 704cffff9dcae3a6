"""One stage about to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...progress import Progress

if TYPE_CHECKING:
    from ..data import DataSet

__all__ = ["StageJob"]


@dataclass(frozen=True)
class StageJob:
    """Settings as the recipe states them, with the files, the data and the place of the run."""

    settings: Mapping[str, Any]
    inputs: tuple[Path, ...]
    output: Path
    data: DataSet
    seed: int
    device: str
    progress: Progress
    command: tuple[str, ...] | None = None
    """The command line of the run; None from Python."""
