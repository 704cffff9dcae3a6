"""Which values tensors can take at all, whatever the image: interval arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..passes.graph import attribute, constant, initialisers
from .layers import Layer, by_output, weighted_layers

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from onnx import GraphProto, NodeProto

__all__ = ["clip_limits", "greatest_outputs"]

Interval = tuple[float, float]

_ANY: Interval = (-float("inf"), float("inf"))
_FRACTIONS = ("HardSigmoid", "Sigmoid", "Softmax")
_KEEPING = (
    "AveragePool",
    "Dropout",
    "Flatten",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Identity",
    "MaxPool",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
_SLACK = 1e-5
"""Relative; covers what rounding in float32 adds to a sum of products."""


def greatest_outputs(graph: GraphProto) -> dict[str, np.ndarray[Any, Any]]:
    """Layer output -> upper bound of each of its channels, float64 [channels], infinite if unknown.

    The input image is taken to be unbounded, so that bounds start behind the first Clip, Sigmoid
    or their like.
    """
    import numpy as np

    known = initialisers(graph)
    layers = {id(layer.node): layer for layer in weighted_layers(graph)}
    intervals: dict[str, Interval] = {}
    greatest = {}
    for node in graph.node:
        layer = layers.get(id(node))
        if layer is None:
            interval = _of_node(graph, node, intervals, known)
        else:
            low, high = _of_layer(graph, layer, intervals.get(layer.input, _ANY))
            greatest[layer.output] = high
            interval = (float(np.min(low, initial=0.0)), float(np.max(high, initial=0.0)))
        intervals.update(dict.fromkeys(node.output, interval))
    return greatest


def clip_limits(graph: GraphProto, node: NodeProto) -> Interval | None:
    """Least and greatest value a Clip lets through; None where they are computed."""
    limits = list(_ANY)
    for index in (1, 2):
        if len(node.input) > index and node.input[index]:
            value = constant(graph, node.input[index])
            if value is None or value.size != 1:
                return None
            limits[index - 1] = float(value.reshape(()))
    return limits[0], limits[1]


def _of_node(
    graph: GraphProto, node: NodeProto, intervals: Mapping[str, Interval], known: Mapping[str, Any]
) -> Interval:
    import numpy as np

    def of(name: str) -> Interval:
        if name in known:
            value = constant(graph, name)
            if value is None or value.dtype != np.float32 or not value.size:
                return _ANY
            return float(value.min()), float(value.max())
        return intervals.get(name, _ANY)

    kind = node.op_type
    if kind in _FRACTIONS:
        return 0.0, 1.0
    if kind == "Relu":
        low, high = of(node.input[0])
        return max(low, 0.0), max(high, 0.0)
    if kind == "Clip":
        limits = clip_limits(graph, node)
        low, high = of(node.input[0])
        if limits is None or limits[0] > limits[1]:
            return _ANY
        return min(max(low, limits[0]), limits[1]), max(min(high, limits[1]), limits[0])
    if kind in _KEEPING:
        low, high = of(node.input[0])
        # Average pools may count zeros beyond the border.
        return min(low, 0.0), max(high, 0.0)
    if kind == "Concat":
        each = [of(name) for name in node.input]
        return min(low for low, _ in each), max(high for _, high in each)
    if kind == "Add":
        (a, b), (c, d) = of(node.input[0]), of(node.input[1])
        return a + c, b + d
    return _ANY


def _of_layer(
    graph: GraphProto, layer: Layer, given: Interval
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Bounds of each output channel of a layer whose inputs all lie in ``given``."""
    import numpy as np

    weight = constant(graph, layer.weight)
    assert weight is not None, layer.weight
    rows = by_output(weight, layer)
    rows = rows.reshape(rows.shape[0], -1).astype(np.float64)
    unknown = np.full(rows.shape[0], np.inf)
    if not all(np.isfinite(given)) or (layer.addend and not layer.bias):
        return -unknown, unknown
    bias = np.zeros(rows.shape[0])
    if layer.bias:
        value = constant(graph, layer.bias)
        assert value is not None, layer.bias
        if value.size not in (1, rows.shape[0]):
            return -unknown, unknown
        bias = bias + attribute(layer.node, "beta", 1.0) * value.reshape(-1).astype(np.float64)
    rows = rows * attribute(layer.node, "alpha", 1.0)
    # Zeros from padding count as inputs, too.
    low, high = min(given[0], 0.0), max(given[1], 0.0)
    up, down = np.maximum(rows, 0.0).sum(axis=1), np.minimum(rows, 0.0).sum(axis=1)
    slack = _SLACK * (np.abs(rows).sum(axis=1) * max(high, -low) + np.abs(bias))
    return up * low + down * high + bias - slack, up * high + down * low + bias + slack
