"""Leave out the mean over maps of one pixel, which is that pixel.

Small images end so: ONNX Runtime's int8 GlobalAveragePool over 1280 such maps took 20 of the 260
microseconds of a MobileNetV2 at 28 pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import PassResult, rename_tensor, tensor_types

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["apply"]


def apply(model: ModelProto) -> PassResult:
    """Precondition: means are GlobalAveragePool. Postcondition: none is left whose input is known
    to be [N, C, 1, 1], but those that make an output of the graph."""
    graph = model.graph
    pools = [node for node in graph.node if node.op_type == "GlobalAveragePool" and not node.domain]
    if not pools:
        return PassResult("single_pixel")
    types = tensor_types(model)
    outputs = {value.name for value in graph.output}
    changes = []
    for node in pools:
        shape = types.get(node.input[0], (0, ()))[1]
        if len(shape) != 4 or shape[2:] != (1, 1) or node.output[0] in outputs:
            continue
        rename_tensor(graph, node.output[0], node.input[0])
        graph.node.remove(node)
        changes.append(node.name or node.output[0])
    return PassResult("single_pixel", tuple(changes))
