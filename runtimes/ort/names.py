"""The names that ONNX Runtime's optimisers give to nodes, traced back to those of the model."""

from __future__ import annotations

import re

__all__ = ["plain_name", "unmarked"]

_ENDINGS = re.compile(r"(_token_\d+|_nchwc|_nhwc|_quant)+$")
"""What the optimisers append to the name of a node, or of the tensor that it makes."""

_FUSED = "fused "
"""What they put before the name of a node that takes in its activation."""


def unmarked(name: str) -> str:
    """``name`` without the endings of the optimisers."""
    return _ENDINGS.sub("", name)


def plain_name(name: str) -> str:
    """``name`` of an executed node as the model has it: of a node, or of the tensor it makes."""
    return unmarked(name.removeprefix(_FUSED))
