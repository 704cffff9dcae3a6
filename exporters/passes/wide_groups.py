"""Join the groups of a grouped convolution until each has 16 channels, for int8 kernels.

ONNX Runtime computes one matrix product a group. With 4 or 8 channels these are too small for its
int8 kernels: twice or four times as many products, most of them with zero, take a half or a third
of the time (measured on AVX2: 128 channels in groups of 4, 8, 16, 32: 1.58, 0.79, 0.50, 0.50 ms).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import PassResult, attribute, constant, consumers

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

__all__ = ["apply"]

_WIDTH = 16
_GREATEST_WIDTH = 48
"""Beyond it there is more to multiply by zero than is won."""


def apply(model: ModelProto) -> PassResult:
    """Precondition: constants are initialisers. Postcondition: convolutions with constant weights
    of their own, more than one group and 2 to 15 input channels a group have fewer groups of 16 to
    48 channels, where their number can be divided so."""
    from onnx import numpy_helper

    graph = model.graph
    counts = consumers(graph)
    changes = []
    for node in [node for node in graph.node if node.op_type == "Conv"]:
        groups = attribute(node, "group", 1)
        weight = constant(graph, node.input[1]) if groups > 1 else None
        if weight is None or not 1 < weight.shape[1] < _WIDTH or counts[node.input[1]] > 1:
            continue
        width = weight.shape[1]
        together = next(
            (k for k in range(2, groups + 1) if groups % k == 0 and k * width >= _WIDTH), 0
        )
        if not 0 < together * width <= _GREATEST_WIDTH:
            continue
        stored = next(tensor for tensor in graph.initializer if tensor.name == node.input[1])
        stored.CopyFrom(numpy_helper.from_array(_joined(weight, groups, together), stored.name))
        next(item for item in node.attribute if item.name == "group").i = groups // together
        changes.append(node.name or node.output[0])
    return PassResult("wide_groups", tuple(changes))


def _joined(weight: np.ndarray, groups: int, together: int) -> np.ndarray:
    """``weight`` of ``groups`` groups, for groups of ``together`` of them each."""
    import numpy as np

    filters, width, *kernel = weight.shape
    own = filters // groups
    wide = np.zeros((filters, width * together, *kernel), weight.dtype)
    for group in range(groups):
        rows = slice(group * own, (group + 1) * own)
        start = group % together * width
        wide[rows, start : start + width] = weight[rows]
    return wide
