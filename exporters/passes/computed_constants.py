"""Store what nodes compute from constants alone: filled tensors, reshaped parameters.

ONNX's own test models make their weights with ConstantOfShape; Caffe's converters give each scale a
Reshape or Unsqueeze of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .graph import PassResult, attribute, constant

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["apply"]


def apply(model: ModelProto) -> PassResult:
    """Precondition: constants are initialisers, nodes in topological order. Postcondition: no
    ConstantOfShape, Identity, Reshape, Squeeze, Transpose or Unsqueeze of constants alone is left,
    unless a graph output is made by it."""
    from onnx import numpy_helper

    graph = model.graph
    outputs = {value.name for value in graph.output}
    known = {tensor.name for tensor in graph.initializer}
    changes = []
    for node in list(graph.node):
        if node.domain not in ("", "ai.onnx") or not node.input or node.output[0] in outputs:
            continue
        if not all(name in known for name in node.input if name):
            continue
        value = _computed(graph, node)
        if value is None:
            continue
        graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
        known.add(node.output[0])
        graph.node.remove(node)
        changes.append(node.output[0])
    return PassResult("computed_constants", tuple(changes))


def _computed(graph: GraphProto, node: NodeProto) -> np.ndarray[Any, Any] | None:
    import numpy as np
    from onnx import numpy_helper

    first = constant(graph, node.input[0])
    if first is None:
        return None
    if node.op_type == "ConstantOfShape":
        filling = attribute(node, "value")
        value = np.zeros(1, np.float32) if filling is None else numpy_helper.to_array(filling)
        return np.full([int(size) for size in first], value.reshape(-1)[0], value.dtype)
    if node.op_type == "Identity":
        return first
    if node.op_type == "Transpose":
        return np.ascontiguousarray(first.transpose(attribute(node, "perm")))
    if node.op_type not in ("Reshape", "Squeeze", "Unsqueeze"):
        return None
    given = constant(graph, node.input[1]) if len(node.input) > 1 and node.input[1] else None
    name = "shape" if node.op_type == "Reshape" else "axes"
    values = attribute(node, name) if given is None else given.reshape(-1)
    sizes = None if values is None else tuple(int(value) for value in values)
    if node.op_type == "Squeeze":
        return first.squeeze(sizes)
    if sizes is None:
        return None
    if node.op_type == "Unsqueeze":
        return np.expand_dims(first, sizes)
    zero_is_a_size = attribute(node, "allowzero", 0)
    kept = [
        first.shape[index] if size == 0 and not zero_is_a_size else size
        for index, size in enumerate(sizes)
    ]
    return first.reshape(kept)
