"""Add empty channels within a network where its int8 kernels are faster with a full number of them.

ONNX Runtime's depthwise int8 kernel wants multiples of 16 channels, and falls back to one that
takes twice the time (58 channels at 28 pixels: 68 us, 64 channels: 39). Where nothing but
convolutions can see how many channels there are, filters of zeros fill them up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .graph import PassResult, attribute, constant, consumers, producers, subgraphs, tensor_types

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["apply"]

_LANES = 16
_MOST_ADDED = 1 / 3
"""Channels are added only up to this part of those there are."""

_CHANNELWISE = (
    *("Add", "AveragePool", "Clip", "GlobalAveragePool", "HardSigmoid", "LeakyRelu"),
    *("MaxPool", "Mul", "Relu", "Sigmoid"),
)
"""What comes out in a channel depends on that channel alone."""


@dataclass
class _Span:
    """Tensors that must have the same number of channels, and the layers at their ends."""

    tensors: set[str] = field(default_factory=set)
    makers: dict[str, NodeProto] = field(default_factory=dict)
    depthwise: dict[str, NodeProto] = field(default_factory=dict)
    readers: dict[str, NodeProto] = field(default_factory=dict)


def apply(model: ModelProto) -> PassResult:
    """Precondition: constants are initialisers. Postcondition: every depthwise convolution has a
    multiple of 16 channels, as far as only convolutions with weights of their own make and read
    these channels, and no more than a third of them is added."""
    graph = model.graph
    if sum(1 for _ in subgraphs(graph)) > 1:
        return PassResult("full_lanes")
    uneven = [node for node in graph.node if _uneven(graph, node)]
    if not uneven:
        return PassResult("full_lanes")
    search = _Search(model)
    done: set[str] = set()
    changes = []
    for node in uneven:
        if node.output[0] in done:
            continue
        span = search.span(node.output[0])
        if span is None:
            continue
        done |= span.tensors
        channels = attribute(node, "group", 1)
        added = -channels % _LANES
        if added > _MOST_ADDED * channels:
            continue
        _widen(graph, span, added)
        changes.append(f"{node.name or node.output[0]}: {channels} to {channels + added}")
    if changes:
        del graph.value_info[:]
    return PassResult("full_lanes", tuple(changes))


def _uneven(graph: GraphProto, node: NodeProto) -> bool:
    return _is_depthwise(graph, node) and attribute(node, "group", 1) % _LANES != 0


def _is_depthwise(graph: GraphProto, node: NodeProto) -> bool:
    if node.op_type != "Conv" or attribute(node, "group", 1) == 1:
        return False
    weight = constant(graph, node.input[1])
    return weight is not None and attribute(node, "group", 1) == weight.shape[0]


class _Search:
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

    def span(self, start: str) -> _Span | None:
        """The span of the tensor ``start``; None where its channels cannot be added to."""
        found = _Span()
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

    def _behind(self, name: str, found: _Span) -> list[str] | None:
        """What of the span the maker of ``name`` reads; None where it cannot be in one."""
        node = self.made[name]
        if node.op_type == "Conv" and self._owned(node):
            if attribute(node, "group", 1) == 1:
                found.makers[name] = node
                return []
            if _is_depthwise(self.graph, node):
                found.depthwise[name] = node
                return [node.input[0]]
            return None
        return self._through(node)

    def _before(self, name: str, node: NodeProto, found: _Span) -> list[str] | None:
        """What of the span the reader ``node`` of ``name`` makes."""
        if node.op_type == "Conv" and node.input[0] == name and self._owned(node):
            if attribute(node, "group", 1) == 1:
                found.readers[node.output[0]] = node
                return []
            return [node.output[0]] if _is_depthwise(self.graph, node) else None
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


def _widen(graph: GraphProto, span: _Span, added: int) -> None:
    """Zero filters for the makers and depthwise layers, zero columns for the readers."""
    for node in (*span.makers.values(), *span.depthwise.values()):
        for name in node.input[1:]:
            if name:
                _pad(graph, name, 0, added)
    for node in span.depthwise.values():
        next(item for item in node.attribute if item.name == "group").i += added
    for node in span.readers.values():
        _pad(graph, node.input[1], 1, added)


def _pad(graph: GraphProto, name: str, axis: int, added: int) -> None:
    import numpy as np
    from onnx import numpy_helper

    stored = next(tensor for tensor in graph.initializer if tensor.name == name)
    values = numpy_helper.to_array(stored)
    widths = [(0, added if index == axis else 0) for index in range(values.ndim)]
    stored.CopyFrom(numpy_helper.from_array(np.pad(values, widths), name))
