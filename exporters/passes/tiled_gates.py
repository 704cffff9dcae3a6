"""Repeat the gates of squeeze-and-excitation along a row before they are multiplied in, for int8.

ONNX Runtime's int8 product handles channels innermost, and broadcasts a gate [N, C, 1, 1] pixel by
pixel, C numbers at a time. A whole row at a time takes a half or a third of that (72 channels at
56 pixels: 160 us for 64 and 4 for the repetition, AVX2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import PassResult, replace_node, tensor_types

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["apply"]

_LEAST_WIDTH = 14
"""Rows of fewer pixels gain nothing."""


def apply(model: ModelProto) -> PassResult:
    """Precondition: none. Postcondition: wherever [N, C, H, W] of a known W of 14 or more is
    multiplied by [N, C, 1, 1], the latter is repeated to [N, C, 1, W]."""
    import numpy as np
    from onnx import helper, numpy_helper

    graph = model.graph
    products = [node for node in graph.node if node.op_type == "Mul" and not node.domain]
    if not products:
        return PassResult("tiled_gates")
    types = tensor_types(model)
    constants = {tensor.name for tensor in graph.initializer}
    changes = []
    for node in products:
        gate, width = _gate(node, {name: shape for name, (_, shape) in types.items()}, constants)
        if not gate:
            continue
        name = f"{node.output[0]}/gate_row"
        sizes = numpy_helper.from_array(np.array([1, 1, 1, width], np.int64), f"{name}_by")
        graph.initializer.append(sizes)
        tile = helper.make_node("Tile", [gate, sizes.name], [name], name)
        node.input[list(node.input).index(gate)] = name
        product = type(node).FromString(node.SerializeToString())
        replace_node(graph, node, [tile, product])
        changes.append(node.name or node.output[0])
    return PassResult("tiled_gates", tuple(changes))


def _gate(
    node: NodeProto, shapes: dict[str, tuple[int | None, ...]], constants: set[str]
) -> tuple[str, int]:
    """The input that is a gate and the width it is to have; no name where there is none."""
    for gate, image in (tuple(node.input), tuple(reversed(node.input))):
        one, other = shapes.get(gate, ()), shapes.get(image, ())
        if len(one) != 4 or len(other) != 4 or gate in constants or one[1] != other[1]:
            continue
        if one[2:] == (1, 1) and one[1] and (other[3] or 0) >= _LEAST_WIDTH:
            return gate, int(other[3] or 0)
    return "", 0
