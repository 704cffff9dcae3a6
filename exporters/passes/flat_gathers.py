"""Write a Gather of all numbers of a flattened tensor, in their order, as a Reshape.

PyTorch's exporter writes ``as_strided`` so, which adaptive pooling of a channels-last image ends
in.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from ...runtimes.onnx_model.shapes import infer_shapes
from .graph import PassResult, constant, producers, tensor_names, unique_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from onnx import GraphProto, ModelProto, NodeProto

    Array = np.ndarray[Any, Any]

__all__ = ["apply"]


def apply(model: ModelProto) -> PassResult:
    """Precondition: constants are initialisers. Postcondition: no Gather is left that reads 0, 1,
    2, ... of all numbers of a tensor that a Reshape made flat; it is a Reshape to its indices'
    shape, or an Identity where the tensor has that."""
    import numpy as np
    from onnx import numpy_helper

    graph = model.graph
    gathers = [node for node in graph.node if node.op_type == "Gather" and not node.domain]
    made = producers(graph)
    pairs = [
        (node, flat)
        for node in gathers
        if (flat := made.get(node.input[0])) and _flattens(graph, flat)
    ]
    if not pairs:
        return PassResult("flat_gathers")
    shapes = infer_shapes(model, {})
    taken = tensor_names(graph)
    changes = []
    for node, flat in pairs:
        indices = constant(graph, node.input[1])
        if indices is None or not _in_order(indices, shapes.get(flat.input[0], ())):
            continue
        del node.attribute[:], node.input[:]
        node.input.append(flat.input[0])
        if tuple(shapes[flat.input[0]]) == indices.shape:
            node.op_type = "Identity"
        else:
            name = unique_name(f"{node.output[0]}/shape", taken)
            target = np.array(indices.shape, np.int64)
            graph.initializer.append(numpy_helper.from_array(target, name))
            node.op_type = "Reshape"
            node.input.append(name)
        changes.append(node.name or node.output[0])
    return PassResult("flat_gathers", tuple(changes))


def _flattens(graph: GraphProto, node: NodeProto) -> bool:
    if node.op_type != "Reshape" or node.domain or len(node.input) < 2:
        return False
    target = constant(graph, node.input[1])
    return target is not None and target.shape == (1,)


def _in_order(indices: Array, shape: Sequence[int | None]) -> bool:
    """Whether ``indices`` pick each number of a tensor of ``shape`` once, from first to last."""
    import numpy as np

    sizes = [size for size in shape if size is not None]
    if not shape or len(sizes) < len(shape):
        return False
    return np.array_equal(indices.reshape(-1), np.arange(prod(sizes)))
