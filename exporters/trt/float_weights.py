"""int8 weights as floats behind a QuantizeLinear, as TensorRT 8 wants them.

"Weights of Q/DQ models must be specified using FP32 data type" (TensorRT 8's developer guide,
Explicit Quantization); later versions take integers as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..passes.graph import attribute, initialisers

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["with_float_weights"]


def with_float_weights(model: ModelProto) -> ModelProto:
    """A copy whose QuantizeLinear nodes make the very integers that ``model`` has stored."""
    import numpy as np
    from onnx import ModelProto, TensorProto, helper, numpy_helper

    changed = ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    known = initialisers(graph)
    nodes = []
    widened: set[str] = set()
    for node in list(graph.node):
        stored = known.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if stored is not None and stored.data_type == TensorProto.INT8:
            name = f"{node.input[0]}_rounded"
            if node.input[0] not in widened:
                widened.add(node.input[0])
                scales = numpy_helper.to_array(known[node.input[1]])
                integers = numpy_helper.to_array(stored)
                axis = attribute(node, "axis", 1)
                shape = [1] * integers.ndim
                if scales.ndim:
                    shape[axis] = -1
                values = (integers.astype(np.float32) * scales.reshape(shape)).astype(np.float32)
                stored.CopyFrom(numpy_helper.from_array(values, stored.name))
                rounding = helper.make_node("QuantizeLinear", list(node.input), [name], name)
                if scales.ndim:
                    rounding.attribute.append(helper.make_attribute("axis", axis))
                nodes.append(rounding)
            node.input[0] = name
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return changed
