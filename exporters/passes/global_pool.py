"""Rewrite a mean over height and width as GlobalAveragePool, which quantisers know.

ReduceMean is in no quantiser's table and would stay float, with a conversion on either side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import PassResult, attribute, constant, replace_node, tensor_types

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["apply"]


def apply(model: ModelProto) -> PassResult:
    """Precondition: none. Postcondition: no ReduceMean is left that takes a floating-point tensor
    of rank 4 over exactly its axes 2 and 3; each became GlobalAveragePool, and Flatten after it
    where the mean dropped the reduced axes."""
    from onnx import TensorProto, helper

    graph = model.graph
    means = [node for node in graph.node if node.op_type == "ReduceMean" and not node.domain]
    if not means:
        return PassResult("global_pool")
    floating = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    types = tensor_types(model)
    changes = []
    for node in means:
        kind, shape = types.get(node.input[0], (TensorProto.UNDEFINED, ()))
        if kind not in floating or len(shape) != 4 or _axes(graph, node) != {2, 3}:
            continue
        source, target = node.input[0], node.output[0]
        if attribute(node, "keepdims", 1):
            new = [helper.make_node("GlobalAveragePool", [source], [target], name=node.name)]
        else:
            between = f"{target}/pooled"
            new = [
                helper.make_node("GlobalAveragePool", [source], [between], name=node.name),
                helper.make_node("Flatten", [between], [target], name=f"{node.name}/flatten"),
            ]
        replace_node(graph, node, new)
        changes.append(node.name or target)
    return PassResult("global_pool", tuple(changes))


def _axes(graph: GraphProto, node: NodeProto) -> set[int] | None:
    """The reduced axes of a rank-4 input, counted from the front; None where they are not constant.

    Axes are an attribute up to opset 17 and an input from 18 on.
    """
    if len(node.input) > 1 and node.input[1]:
        value = constant(graph, node.input[1])
        axes = None if value is None else [int(axis) for axis in value.reshape(-1)]
    else:
        axes = attribute(node, "axes")
    return {axis % 4 for axis in axes} if axes else None
