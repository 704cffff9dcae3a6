"""Pruning: which weights go (criteria), what goes with them (structure), how it is held (masks)."""

from .settings import PruneSettings

__all__ = ["PruneSettings"]
