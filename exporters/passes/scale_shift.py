"""Fold a product with, or sum of, one number a channel into the convolution before it.

Caffe's normalisation is a BatchNormalization followed by a scale and a shift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .graph import PassResult, constant, consumers, producers, tensor_types

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["apply"]


def apply(model: ModelProto) -> PassResult:
    """Precondition: constants are initialisers. Postcondition: no Mul or Add of a constant with one
    number, or one a channel, follows a two-dimensional Conv that has constant weights and no other
    reader."""
    graph = model.graph
    candidates = [node for node in graph.node if node.op_type in ("Add", "Mul")]
    if not any(_operand(graph, node)[1] is not None for node in candidates):
        return PassResult("scale_shift")
    types = tensor_types(model)
    changes = []
    for node in candidates:
        tensor, value = _operand(graph, node)
        if value is None:
            continue
        conv = producers(graph).get(tensor)
        counts = consumers(graph)
        if conv is None or conv.op_type != "Conv" or counts[tensor] != 1:
            continue
        shape = types.get(tensor, (0, ()))[1]
        if len(shape) == 4 and _fold(graph, conv, node, value):
            changes.append(f"{node.name or node.output[0]} into {conv.name or conv.input[1]}")
    return PassResult("scale_shift", tuple(changes))


def _operand(graph: GraphProto, node: NodeProto) -> tuple[str, np.ndarray[Any, Any] | None]:
    """The computed operand of an Add or Mul, and the constant one."""
    if len(node.input) == 2:
        for tensor, other in (tuple(node.input), tuple(reversed(node.input))):
            value = constant(graph, other)
            if value is not None and constant(graph, tensor) is None:
                return tensor, value
    return "", None


def _fold(graph: GraphProto, conv: NodeProto, node: NodeProto, value: np.ndarray) -> bool:
    import numpy as np
    from onnx import numpy_helper

    weight = constant(graph, conv.input[1])
    has_bias = len(conv.input) > 2 and bool(conv.input[2])
    bias = constant(graph, conv.input[2]) if has_bias else None
    if weight is None or weight.ndim != 4 or (has_bias and bias is None):
        return False
    channels = len(weight)
    # [C, 1, 1] or [1, C, 1, 1]; a single number of any rank up to 4.
    aligned = value.shape[-3:] == (channels, 1, 1) and value.size == channels
    if value.ndim > 4 or not (aligned or value.size == 1):
        return False
    each = np.broadcast_to(value.reshape(-1).astype(np.float64), channels)
    offset = np.zeros(channels) if bias is None else bias.astype(np.float64)
    scaled = weight
    if node.op_type == "Mul":
        scaled, offset = weight * each.reshape(-1, 1, 1, 1), offset * each
    else:
        offset = offset + each
    stem = node.output[0]
    names = (f"{stem}/scaled_weight", f"{stem}/shifted_bias")
    for name, new in zip(names, (scaled, offset), strict=True):
        graph.initializer.append(numpy_helper.from_array(new.astype(weight.dtype), name))
    inputs = [conv.input[0], *names]
    del conv.input[:]
    conv.input.extend(inputs)
    conv.output[0] = node.output[0]
    graph.node.remove(node)
    return True
