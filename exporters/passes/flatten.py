"""Write the Reshape between the feature maps [N, C, H, W] and the classifier as Flatten."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .graph import PassResult, attribute, constant, tensor_types

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["apply"]


def apply(model: ModelProto) -> PassResult:
    """Precondition: none. Postcondition: every Reshape of [N, C, H, W] to [N, C*H*W], also to a
    shape computed from that of a tensor, and every Squeeze of [N, C, 1, 1] to [N, C] is a Flatten,
    which holds for any batch size."""
    graph = model.graph
    found = [node for node in graph.node if node.op_type in ("Reshape", "Squeeze")]
    if not found:
        return PassResult("flatten")
    types = tensor_types(model)
    changes = []
    for node in found:
        shape = types.get(node.input[0], (0, ()))[1]
        if len(shape) != 4 or not all(shape[1:]):
            continue
        features = math.prod(size or 0 for size in shape[1:])
        given = constant(graph, node.input[1]) if len(node.input) > 1 and node.input[1] else None
        argument = [int(v) for v in (given if given is not None else attribute(node, "axes", []))]
        if node.op_type == "Squeeze":
            fits = {axis % 4 for axis in argument} == {2, 3} and shape[2:] == (1, 1)
        elif given is None:
            # As many elements as came in, so that the first dimension can only be the batch.
            after = types.get(node.output[0], (0, ()))[1]
            fits = len(after) == 2 and after[1] == features
        elif attribute(node, "allowzero", 0):
            fits = argument == [-1, features]
        else:
            fits = argument in ([-1, features], [0, -1], [0, features])
        if not fits:
            continue
        node.op_type = "Flatten"
        del node.input[1:]
        del node.attribute[:]
        changes.append(node.name or node.output[0])
    return PassResult("flatten", tuple(changes))
