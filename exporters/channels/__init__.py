"""Channels: which belong together on an ONNX graph, which are dead, and their removal."""

from .analyse import analyse
from .compact import Compaction, compact, resolve
from .groups import ChannelGroups

__all__ = ["ChannelGroups", "Compaction", "analyse", "compact", "resolve"]
