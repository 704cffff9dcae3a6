"""Channels: which belong together on an ONNX graph, which are dead, and their removal."""

from .groups import ChannelGroups

__all__ = ["ChannelGroups"]
