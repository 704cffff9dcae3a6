"""The range of each tensor to be quantised, from what it was observed to be on real images."""

from .minmax import minmax_ranges

__all__ = ["METHODS", "minmax_ranges"]

METHODS: tuple[str, ...] = ("minmax",)
