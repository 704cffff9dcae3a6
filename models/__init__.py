"""The networks nnc trains, as plain PyTorch modules, and the checkpoints they are kept in."""

from .checkpoint import load, read_arrays, read_card, save
from .registry import ARCHITECTURES, Architecture, build

__all__ = ["ARCHITECTURES", "Architecture", "build", "load", "read_arrays", "read_card", "save"]
