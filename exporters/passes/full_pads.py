"""Write the sizes of a Pad of some axes for all axes, as before opset 18.

A Pad with `axes` pads as many numbers as it names axes; ONNX Runtime takes no such Pad of integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import PassResult, constant, tensor_names, tensor_types

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["apply"]


def apply(model: ModelProto) -> PassResult:
    """Precondition: none. Postcondition: no Pad is left that names constant axes and sizes of a
    tensor whose rank is known."""
    import numpy as np
    from onnx import numpy_helper

    graph = model.graph
    pads = [n for n in graph.node if n.op_type == "Pad" and len(n.input) > 3 and n.input[3]]
    if not pads:
        return PassResult("full_pads")
    types, taken = tensor_types(model), tensor_names(graph)
    changes = []
    for node in pads:
        sizes, axes = constant(graph, node.input[1]), constant(graph, node.input[3])
        if sizes is None or axes is None or node.input[0] not in types:
            continue
        rank = len(types[node.input[0]][1])
        full = np.zeros((2, rank), np.int64)
        full[:, axes.reshape(-1)] = sizes.reshape(2, -1)
        name = f"{node.output[0]}/pads"
        while name in taken:
            name += "_"
        taken.add(name)
        graph.initializer.append(numpy_helper.from_array(full.reshape(-1), name))
        node.input[1] = name
        node.input.pop()
        while not node.input[-1]:
            node.input.pop()
        changes.append(node.name or node.output[0])
    return PassResult("full_pads", tuple(changes))
