"""Data sets: found by name or path, split once and for all, resized on the way out. No torch."""

from .dataset import DataSet, pick_balanced
from .images import Images, resize
from .sources import DATA_NAMES, open_data

__all__ = ["DATA_NAMES", "DataSet", "Images", "open_data", "pick_balanced", "resize"]
