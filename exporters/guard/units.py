"""The parts of a network that are int8 or float as a whole."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..passes.graph import consumers, initialisers, producers
from ..qdq.insert import QUANTISED_OPS

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["COMPUTING", "Unit", "closed", "computes", "find_units", "stem"]

COMPUTING = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that multiply by weights, and that int8 is there for."""

_ACTIVATIONS = ("Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "Relu", "Sigmoid")
_ARITHMETIC = ("Add", "AveragePool", "GlobalAveragePool", "Mul")


@dataclass(frozen=True)
class Unit:
    """A layer and the activation that follows it alone."""

    name: str
    """Name of the layer's node."""
    nodes: tuple[str, ...]
    output: str
    """The tensor that leaves it."""
    computing: bool
    """Whether it has weights to multiply by, and is not mere arithmetic on what it reads."""


def find_units(model: ModelProto) -> tuple[Unit, ...]:
    """The units of a prepared model, in the order of the graph.

    Operators that only move values about are no units: they go with what is around them.
    """
    graph = model.graph
    counts = consumers(graph)
    readers = {name: node for node in graph.node for name in node.input}
    outputs = {value.name for value in graph.output}
    units: dict[str, Unit] = {}
    taken: set[str] = set()
    for node in graph.node:
        single = node.op_type in (*COMPUTING, *_ARITHMETIC, *_ACTIVATIONS)
        if not single or node.op_type not in QUANTISED_OPS or node.name in taken:
            continue
        nodes, last = [node.name], node
        if node.op_type not in _ACTIVATIONS:
            after = readers.get(node.output[0])
            alone = counts.get(node.output[0]) == 1 and node.output[0] not in outputs
            if alone and after is not None and after.op_type in _ACTIVATIONS:
                nodes.append(after.name)
                last = after
        taken.update(nodes)
        units[node.name] = Unit(node.name, tuple(nodes), last.output[0], node.op_type in COMPUTING)
    return tuple(units.values())


def closed(model: ModelProto, float_nodes: Collection[str]) -> tuple[str, ...]:
    """``float_nodes`` with all that would be an int8 island between them, in graph order.

    An operator that computes no layer, whose makers and readers are all float, becomes float too.
    """
    graph = model.graph
    found = set(float_nodes)
    made, known = producers(graph), initialisers(graph)
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    changed = True
    while changed:
        changed = False
        for node in graph.node:
            if node.name in found or node.op_type in COMPUTING:
                continue
            makers = [made[name] for name in node.input if name in made and name not in known]
            after = [reader for name in node.output for reader in readers.get(name, ())]
            around = [*makers, *after]
            if around and all(other.name in found for other in around) and makers:
                found.add(node.name)
                changed = True
    return _ordered(graph, found)


def computes(model: ModelProto, float_nodes: Collection[str]) -> bool:
    """Whether a layer is left in int8 beside ``float_nodes``: a file all in float is no answer."""
    return any(unit.computing and unit.name not in float_nodes for unit in find_units(model))


def stem(model: ModelProto) -> tuple[str, ...]:
    """The nodes from the images to the first MaxPool, where a convolution of many more channels
    than the images have, its activation and the pooling are all there is; else none.

    The images' few channels make poor use of int8 kernels, and the pooling leaves little to be
    rounded: float may be faster here.
    """
    graph = model.graph
    counts = consumers(graph)
    readers = {name: node for node in graph.node for name in node.input}
    found: list[NodeProto] = []
    name = graph.input[0].name
    expected: tuple[str, ...] = ("Conv", "Pad")
    while counts.get(name) == 1:
        node = readers[name]
        if node.op_type not in expected or not node.name:
            return ()
        found.append(node)
        if node.op_type == "MaxPool":
            return tuple(each.name for each in found)
        name = node.output[0]
        expected = ("Conv",) if node.op_type == "Pad" else (*_ACTIVATIONS, "MaxPool")
    return ()


def _ordered(graph: GraphProto, names: Collection[str]) -> tuple[str, ...]:
    return tuple(node.name for node in graph.node if node.name in names)
