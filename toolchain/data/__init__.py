"""Data sets: found by name or path, split once and for all, resized on the way out. No torch."""

from .dataset import DataSet, pick_balanced
from .images import Images, resize
from .loose import LooseImages, open_images
from .sources import DATA_NAMES, open_data

__all__ = [
    "DATA_NAMES",
    "DataSet",
    "Images",
    "LooseImages",
    "open_data",
    "open_images",
    "pick_balanced",
    "resize",
]
