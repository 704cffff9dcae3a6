"""Give three-channel images a fourth, empty one, where the first int8 convolution is faster so.

ONNX Runtime gathers the pixels under a filter before it multiplies, and moves four bytes at a time
faster than three: 0.38 ms for 0.61 (3x3, stride 2, 224 pixels, 32 filters, AVX2). With filters of
7x7 or 11x11 the greater product costs more than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import PassResult, attribute, constant, consumers

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["apply"]

_GREATEST_KERNEL = 5 * 5


def apply(model: ModelProto) -> PassResult:
    """Precondition: constants are initialisers. Postcondition: a graph input of three channels that
    only small convolutions of one group read reaches them through a Pad to four channels."""
    import numpy as np
    from onnx import helper, numpy_helper

    graph = model.graph
    counts = consumers(graph)
    changes = []
    for value in graph.input:
        readers = [node for node in graph.node if value.name in node.input]
        if len(readers) != counts.get(value.name, 0) or not readers:
            continue
        if not all(_gains(graph, node, value.name, counts) for node in readers):
            continue
        name = f"{value.name}/four_channels"
        sizes = numpy_helper.from_array(np.array([0, 0, 0, 0, 0, 1, 0, 0], np.int64), f"{name}_by")
        graph.initializer.append(sizes)
        for node in readers:
            _add_channel(graph, node.input[1])
            node.input[0] = name
        graph.node.insert(0, helper.make_node("Pad", [value.name, sizes.name], [name], name))
        changes.append(value.name)
    return PassResult("four_channels", tuple(changes))


def _gains(graph: GraphProto, node: NodeProto, name: str, counts: dict[str, int]) -> bool:
    if node.op_type != "Conv" or node.input[0] != name or attribute(node, "group", 1) != 1:
        return False
    weight = constant(graph, node.input[1])
    if weight is None or weight.ndim != 4 or counts[node.input[1]] > 1:
        return False
    return weight.shape[1] == 3 and 1 < int(weight[0, 0].size) <= _GREATEST_KERNEL


def _add_channel(graph: GraphProto, name: str) -> None:
    import numpy as np
    from onnx import numpy_helper

    stored = next(tensor for tensor in graph.initializer if tensor.name == name)
    wide = np.pad(numpy_helper.to_array(stored), ((0, 0), (0, 1), (0, 0), (0, 0)))
    stored.CopyFrom(numpy_helper.from_array(wide, name))
