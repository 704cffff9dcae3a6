"""Fit what stays float to its borders with int8: undo there what was done for int8's sake alone.

Empty channels that make int8 kernels faster only cost time in float. And ONNX Runtime moves a
QuantizeLinear up through a MaxPool, which then runs on integers in an order that it is slow at
(2 ms for 0.07: 32 channels, 112 pixels); one behind an activation stays where it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ..passes.channel_span import Spans, resize
from ..passes.graph import attribute, constant, consumers, producers

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

    from ..passes.channel_span import Span
    from ..qdq.weights import QuantisedWeight

__all__ = ["fit_borders"]

_BLOCK = 8
"""ONNX Runtime's float convolutions want multiples of this many channels."""

_FOURTH = [0, 0, 0, 0, 0, 1, 0, 0]
"""Of a Pad: one channel after those of [N, C, H, W]."""

_MONOTONE = ("Clip", "Relu")
"""The greatest of some values is the same before and after these."""


def fit_borders(
    model: ModelProto,
    float_nodes: Collection[str],
    weights: Mapping[str, QuantisedWeight],
) -> tuple[ModelProto, dict[str, QuantisedWeight]]:
    """A prepared model, changed for ``float_nodes`` (names), and ``weights`` of its shapes.

    Outputs, and the names of layers and of the tensors between them, stay as they are. ``model``
    is not changed.
    """
    from onnx import ModelProto

    fitted = ModelProto()
    fitted.CopyFrom(model)
    floats = frozenset(float_nodes)
    _drop_empty_input(fitted.graph, floats)
    _drop_empty_filters(fitted, floats)
    _pool_first(fitted.graph, floats)
    shapes = {tensor.name: tuple(tensor.dims) for tensor in fitted.graph.initializer}
    return fitted, {name: _cut(own, shapes[name]) for name, own in weights.items()}


def _drop_empty_input(graph: GraphProto, floats: Collection[str]) -> None:
    """Take away the fourth channel of the images where float convolutions alone read it."""
    known = {tensor.name: tensor for tensor in graph.initializer}
    images = {value.name for value in graph.input} - set(known)
    for pad in [node for node in graph.node if node.op_type == "Pad" and node.input[0] in images]:
        readers = [node for node in graph.node if pad.output[0] in node.input]
        widths = constant(graph, pad.input[1])
        if widths is None or pad.input[1] not in known or widths.tolist() != _FOURTH:
            continue
        if attribute(pad, "mode", b"constant") != b"constant" or len(pad.input) > 2:
            continue
        if not all(
            node.name in floats and node.op_type == "Conv" and node.input[1] in known
            for node in readers
        ):
            continue
        for node in readers:
            _take_channels(graph, node.input[1])
            node.input[0] = pad.input[0]
        graph.node.remove(pad)
        if pad.input[1] not in consumers(graph):
            graph.initializer.remove(known[pad.input[1]])


def _take_channels(graph: GraphProto, name: str) -> None:
    """Leave the last input channel of a convolution's weights out."""
    import numpy as np
    from onnx import numpy_helper

    stored = next(tensor for tensor in graph.initializer if tensor.name == name)
    values = np.ascontiguousarray(numpy_helper.to_array(stored)[:, :-1])
    stored.CopyFrom(numpy_helper.from_array(values, name))


def _drop_empty_filters(model: ModelProto, floats: Collection[str]) -> None:
    """Take away filters of zeros at the end of float layers, with all that reads them."""
    graph = model.graph
    spans: Spans | None = None
    for node in [node for node in graph.node if node.name in floats and node.op_type == "Conv"]:
        if _filled(graph, node) is None:
            continue
        spans = spans or Spans(model)
        span = spans.span(node.output[0])
        if span is None:
            continue
        total, filled = _channels(graph, span)
        kept = min(total, max(_BLOCK, -(-filled // _BLOCK) * _BLOCK))
        if kept < total:
            resize(graph, span, kept - total)
            del graph.value_info[:]
            spans = None


def _channels(graph: GraphProto, span: Span) -> tuple[int, int]:
    """How many channels a span has, and after how many of them all are empty."""
    layers = [*span.makers.values(), *span.depthwise.values()]
    sizes = [_filled(graph, node) or (0, 0) for node in layers]
    return sizes[0][0], max(filled for _, filled in sizes)


def _filled(graph: GraphProto, node: NodeProto) -> tuple[int, int] | None:
    """(filters of a convolution, those up to the last that is not all zeros, with its bias)."""
    import numpy as np

    weight = constant(graph, node.input[1])
    bias = constant(graph, node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if weight is None:
        return None
    used = np.abs(weight.reshape(len(weight), -1)).max(axis=1) > 0
    if bias is not None:
        used |= bias != 0
    return len(used), int(used.nonzero()[0].max(initial=-1)) + 1


def _pool_first(graph: GraphProto, floats: Collection[str]) -> None:
    """Let an activation follow a MaxPool, not go before it, where int8 begins behind the two."""
    made, counts = producers(graph), consumers(graph)
    outputs = {value.name for value in graph.output}
    for pool in [node for node in graph.node if node.op_type == "MaxPool" and node.name in floats]:
        activation = made.get(pool.input[0])
        if activation is None or activation.op_type not in _MONOTONE or len(pool.output) > 1:
            continue
        between = activation.output[0]
        readers = [node for node in graph.node if pool.output[0] in node.input]
        if counts[between] != 1 or {between, pool.output[0]} & outputs:
            continue
        if activation.name not in floats or all(node.name in floats for node in readers):
            continue
        last = pool.output[0]
        pool.input[0], pool.output[0] = activation.input[0], between
        activation.input[0], activation.output[0] = between, last
        nodes = list(graph.node)
        nodes.remove(activation)
        nodes.insert(nodes.index(pool) + 1, activation)
        del graph.node[:]
        graph.node.extend(nodes)


def _cut(own: QuantisedWeight, shape: tuple[int, ...]) -> QuantisedWeight:
    if own.values.shape == shape:
        return own
    values = own.values[tuple(slice(size) for size in shape)]
    return replace(own, values=values, scales=own.scales[: shape[own.axis]])
