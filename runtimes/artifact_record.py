"""What is known of a file that nnc can run, whatever kind it is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ..model_card import ModelCard
    from .onnx_model.graph import LayerFacts

__all__ = ["Artifact"]


@dataclass(frozen=True)
class Artifact:
    """A file that nnc can run, and what it holds."""

    path: Path
    kind: str
    """``checkpoint``, ``onnx`` or ``engine``."""
    runtime: str
    card: ModelCard
    own_metadata: bool
    """Whether the card comes from nnc's metadata in the file."""
    input_shape: tuple[int | None, ...]
    size_bytes: int
    """With what an ONNX file keeps beside it as external data."""
    sha256: str
    parameters: int | None
    """None, as the non-zero ones, for an engine of another tool."""
    nonzero_parameters: int | None
    macs: int | None
    """Multiply-accumulates of one image."""
    layers: tuple[LayerFacts, ...]
