"""Channels that a stretch of a network has in common: found whole, and made more or fewer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .graph import attribute, constant, consumers, producers, tensor_types

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["Span", "Spans", "is_depthwise", "resize"]

_CHANNELWISE = (
    *("Add", "AveragePool", "Clip", "GlobalAveragePool", "HardSigmoid", "LeakyRelu"),
    *("MaxPool", "Mul", "Relu", "Sigmoid"),
)
"""What comes out in a channel depends on that channel alone."""


@dataclass
class Span:
    """Tensors that must have the same number of channels, and the layers at their ends."""

    tensors: set[str] = field(default_factory=set)
    makers: dict[str, NodeProto] = field(default_factory=dict)
    depthwise: dict[str, NodeProto] = field(default_factory=dict)
    readers: dict[str, NodeProto] = field(default_factory=dict)


class Spans:
    """Finds the span around a tensor; what it asks of the graph is looked up once."""

    def __init__(self, model: ModelProto) -> None:
        self.graph = model.graph
        self.types = tensor_types(model)
        self.made = producers(self.graph)
        self.counts = consumers(self.graph)
        self.fixed = {value.name for value in (*self.graph.input, *self.graph.output)}
        self.known = {tensor.name for tensor in self.graph.initializer}
        self.readers: dict[str, list[NodeProto]] = {}
        for node in self.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def span(self, start: str) -> Span | None:
        """The span of the tensor ``start``; None where its channels cannot be added to."""
        found = Span()
        channels = self._channels(start)
        waiting = [start]
        while waiting:
            name = waiting.pop()
            if name in found.tensors:
                continue
            if name in self.fixed or name not in self.made or self._channels(name) != channels:
                return None
            found.tensors.add(name)
            joined = [self._behind(name, found)]
            joined += [self._before(name, node, found) for node in self.readers.get(name, ())]
            for names in joined:
                if names is None:
                    return None
                waiting += names
        return found

    def _channels(self, name: str) -> int | None:
        shape = self.types.get(name, (0, ()))[1]
        return shape[1] if len(shape) == 4 else None

    def _behind(self, name: str, found: Span) -> list[str] | None:
        """What of the span the maker of ``name`` reads; None where it cannot be in one."""
        node = self.made[name]
        if node.op_type == "Conv" and self._owned(node):
            if attribute(node, "group", 1) == 1:
                found.makers[name] = node
                return []
            if is_depthwise(self.graph, node):
                found.depthwise[name] = node
                return [node.input[0]]
            return None
        return self._through(node)

    def _before(self, name: str, node: NodeProto, found: Span) -> list[str] | None:
        """What of the span the reader ``node`` of ``name`` makes."""
        if node.op_type == "Conv" and node.input[0] == name and self._owned(node):
            if attribute(node, "group", 1) == 1:
                found.readers[node.output[0]] = node
                return []
            return [node.output[0]] if is_depthwise(self.graph, node) else None
        return self._through(node)

    def _through(self, node: NodeProto) -> list[str] | None:
        if node.op_type not in _CHANNELWISE or len(node.output) != 1:
            return None
        operands = list(node.input)
        if node.op_type in ("Add", "Mul"):
            # A constant of one number suits any number of channels.
            operands = [n for n in operands if n not in self.known or self._elements(n) != 1]
        else:
            operands = operands[:1]
        return None if any(n in self.known for n in operands) else [*operands, node.output[0]]

    def _elements(self, name: str) -> int:
        value = constant(self.graph, name)
        return 0 if value is None else int(value.size)

    def _owned(self, node: NodeProto) -> bool:
        return all(name in self.known and self.counts[name] == 1 for name in node.input[1:] if name)


def resize(graph: GraphProto, span: Span, change: int) -> None:
    """Add ``change`` channels of zeros at the end of ``span``, or take as many away."""
    for node in (*span.makers.values(), *span.depthwise.values()):
        for name in node.input[1:]:
            if name:
                _resize(graph, name, 0, change)
    for node in span.depthwise.values():
        next(item for item in node.attribute if item.name == "group").i += change
    for node in span.readers.values():
        _resize(graph, node.input[1], 1, change)


def is_depthwise(graph: GraphProto, node: NodeProto) -> bool:
    """Whether ``node`` is a convolution with one filter for each of its channels."""
    if node.op_type != "Conv" or attribute(node, "group", 1) == 1:
        return False
    weight = constant(graph, node.input[1])
    return weight is not None and attribute(node, "group", 1) == weight.shape[0]


def _resize(graph: GraphProto, name: str, axis: int, change: int) -> None:
    import numpy as np
    from onnx import numpy_helper

    stored = next(tensor for tensor in graph.initializer if tensor.name == name)
    values = numpy_helper.to_array(stored)
    if change < 0:
        changed = values.take(range(values.shape[axis] + change), axis)
    else:
        widths = [(0, change if index == axis else 0) for index in range(values.ndim)]
        changed = np.pad(values, widths)
    stored.CopyFrom(numpy_helper.from_array(changed, name))
