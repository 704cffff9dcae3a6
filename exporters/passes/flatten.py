"""Write the Reshape between a pooled [N, C, 1, 1] tensor and the classifier as Flatten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import PassResult, attribute, constant, producers, tensor_types

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["apply"]


def apply(model: ModelProto) -> PassResult:
    """Precondition: none. Postcondition: every Reshape or Squeeze of a GlobalAveragePool's output
    that keeps [N, C] is a Flatten, which holds for any batch size."""
    graph = model.graph
    made_by = producers(graph)
    found = [
        node
        for node in graph.node
        if node.op_type in ("Reshape", "Squeeze")
        and node.input[0] in made_by
        and made_by[node.input[0]].op_type == "GlobalAveragePool"
    ]
    if not found:
        return PassResult("flatten")
    types = tensor_types(model)
    changes = []
    for node in found:
        shape = types.get(node.input[0], (0, ()))[1]
        if len(shape) != 4 or shape[2:] != (1, 1):
            continue
        given = constant(graph, node.input[1]) if len(node.input) > 1 and node.input[1] else None
        argument = [int(v) for v in (given if given is not None else attribute(node, "axes", []))]
        if node.op_type == "Squeeze":
            fits = {axis % 4 for axis in argument} == {2, 3}
        elif attribute(node, "allowzero", 0):
            fits = argument == [-1, shape[1]]
        else:
            fits = argument in ([-1, shape[1]], [0, -1], [0, shape[1]])
        if not fits:
            continue
        node.op_type = "Flatten"
        del node.input[1:]
        del node.attribute[:]
        changes.append(node.name or node.output[0])
    return PassResult("flatten", tuple(changes))
