"""Turn Constant nodes into initialisers, where the other passes and the quantiser look for them.

Old exporters also list every weight as a graph input that a caller could override; nobody does,
and a weight must be constant to be quantised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import PassResult, attribute

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

__all__ = ["apply"]

FIRST_IR_WITH_CONSTANTS = 4
"""Before it, an initialiser had to be a graph input as well."""


def apply(model: ModelProto) -> PassResult:
    """Precondition: none. Postcondition: the main graph has no Constant node with a dense value,
    unless that value is a graph output, and no graph input with a default value."""
    graph = model.graph
    outputs = {value.name for value in graph.output}
    changes = []
    stored = {tensor.name for tensor in graph.initializer}
    for value in [value for value in graph.input if value.name in stored]:
        graph.input.remove(value)
        changes.append(f"input {value.name}")
    if changes:
        model.ir_version = max(model.ir_version, FIRST_IR_WITH_CONSTANTS)
    for node in list(graph.node):
        if node.op_type != "Constant" or node.domain not in ("", "ai.onnx"):
            continue
        if node.output[0] in outputs or (tensor := _value(node)) is None:
            continue
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        graph.node.remove(node)
        changes.append(tensor.name)
    return PassResult("constants", tuple(changes))


def _value(node: NodeProto) -> TensorProto | None:
    import numpy as np
    from onnx import TensorProto, numpy_helper

    dense = attribute(node, "value")
    if isinstance(dense, TensorProto):
        copy = TensorProto()
        copy.CopyFrom(dense)
        return copy
    for name, dtype in (("value_float", np.float32), ("value_int", np.int64)):
        if (scalar := attribute(node, name)) is not None:
            return numpy_helper.from_array(np.array(scalar, dtype))
    for name, dtype in (("value_floats", np.float32), ("value_ints", np.int64)):
        if (values := attribute(node, name)) is not None:
            return numpy_helper.from_array(np.array(list(values), dtype))
    return None
