"""Store the weights of layers that compute in float as int8: a quarter of the bytes, float's speed.

The file holds integers and a scale for each output channel; a Cast and a Mul between constants
make the float weights of them. ONNX Runtime folds these away when it loads the file, so that what
it runs is the float graph. A DequantizeLinear would say the same in one node, but is computed again
at every inference (118 ms for 95: ResNet-18 at 224, one thread, where Cast and Mul took 95).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from ..passes.graph import attribute, initialisers, subgraphs, tensor_names, unique_name
from ..qdq.scales import quantise_weight

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

__all__ = ["float_weights", "store_weights"]

_LEAST_SAVED = 1024
"""Bytes; where fewer are saved, two more nodes are not worth it."""

_LIMIT = 127
"""Float arithmetic does not saturate: all 8 bits are used, whatever the CPU."""

_SCALE_BYTES = 4
_FLOAT_BYTES = 4


@dataclass(frozen=True)
class _Stored:
    """A weight and the axis of its output channels."""

    tensor: TensorProto
    axis: int


def float_weights(model: ModelProto) -> tuple[str, ...]:
    """Initialisers that `store_weights` would store as int8, in the order of the graph."""
    return tuple(_storable(model.graph))


def store_weights(model: ModelProto) -> tuple[str, ...]:
    """Store them as int8, in place: the names of the initialisers that are gone.

    Tensors of the same names hold the weights, rounded to nearest, with 127 steps on each side of
    zero for each output channel; nodes that stand first in the graph make them of constants.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    stored = _storable(graph)
    taken = tensor_names(graph)
    nodes = []
    for name, weight in stored.items():
        values = numpy_helper.to_array(weight.tensor)
        rounded = quantise_weight(values, weight.axis, _LIMIT)
        shape = [1] * values.ndim
        shape[weight.axis] = -1
        integers, scale, cast = (
            unique_name(f"{name}_{ending}", taken) for ending in ("stored", "stored_scale", "cast")
        )
        graph.initializer.remove(weight.tensor)
        graph.initializer.append(numpy_helper.from_array(rounded.values, integers))
        scales = np.ascontiguousarray(rounded.scales.reshape(shape))
        graph.initializer.append(numpy_helper.from_array(scales, scale))
        nodes.append(helper.make_node("Cast", [integers], [cast], cast, to=TensorProto.FLOAT))
        nodes.append(
            helper.make_node("Mul", [cast, scale], [name], unique_name(f"{name}_read", taken))
        )
    every = [*nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(every)
    return tuple(stored)


def _storable(graph: GraphProto) -> dict[str, _Stored]:
    """Float weights that layers alone read, always by the same axis, and that are worth it."""
    known = initialisers(graph)
    outputs = {value.name for value in graph.output}
    axes: dict[str, set[int | None]] = {}
    for nested in subgraphs(graph):
        for node in nested.node:
            for index, name in enumerate(node.input):
                if name in known:
                    axis = _channel_axis(node, known[name]) if index == 1 else None
                    axes.setdefault(name, set()).add(axis if nested is graph else None)
    found = {}
    for name, seen in axes.items():
        axis = next(iter(seen))
        if len(seen) > 1 or axis is None or name in outputs:
            continue
        if _saved(known[name], axis) >= _LEAST_SAVED:
            found[name] = _Stored(known[name], axis)
    return found


def _channel_axis(node: NodeProto, weight: TensorProto) -> int | None:
    """The axis of a layer's output channels in its weights; None where it is no such layer."""
    from onnx import TensorProto

    rank = len(weight.dims)
    if weight.data_type != TensorProto.FLOAT or node.domain not in ("", "ai.onnx") or rank < 2:
        return None
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1 if attribute(node, "group", 1) == 1 else 0
    if node.op_type == "Gemm":
        return 0 if attribute(node, "transB", 0) else 1
    return rank - 1 if node.op_type == "MatMul" else None


def _saved(weight: TensorProto, axis: int) -> int:
    """Bytes that int8 saves."""
    dims = tuple(int(size) for size in weight.dims)
    return prod(dims) * (_FLOAT_BYTES - 1) - dims[axis] * _SCALE_BYTES
