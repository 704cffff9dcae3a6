"""Pairs of layers between which channels can be scaled and the network computes what it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..passes.graph import attribute, consumers, initialisers, subgraphs
from .bounds import clip_limits
from .layers import Layer, weighted_layers

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

__all__ = ["Pair", "find_pairs"]

_POOLS = ("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool")
_HOMOGENEOUS = ("Identity", "LeakyRelu", "PRelu", "Relu", *_POOLS)
"""f(s x) = s f(x) for every s > 0, each channel by itself."""


@dataclass(frozen=True, eq=False)
class Pair:
    """``second`` alone reads what ``first`` makes, through operators that commute with scaling."""

    first: Layer
    second: Layer
    ceiling: float
    """What a Clip between the two lets through at most; infinite where there is none."""
    rectified: bool
    """Whether nothing below 0 gets through."""


def find_pairs(graph: GraphProto) -> list[Pair]:
    """The pairs of ``graph``, in graph order.

    Left out are layers whose weight or bias something else reads as well, and those whose output,
    or anything on the way, has another reader or is an output of the graph.
    """
    counts = consumers(graph)
    readers = _only_readers(graph, counts)
    layers = {id(layer.node): layer for layer in weighted_layers(graph)}
    own = {
        key: layer
        for key, layer in layers.items()
        if counts[layer.weight] == 1 and (not layer.bias or counts[layer.bias] == 1)
    }
    found = []
    for layer in own.values():
        if layer.addend and not layer.bias:
            continue
        pair = _follow(graph, layer, own, readers)
        if pair is not None:
            found.append(pair)
    return found


def _follow(
    graph: GraphProto, first: Layer, layers: dict[int, Layer], readers: dict[str, NodeProto]
) -> Pair | None:
    ceiling, flat, rectified = float("inf"), False, False
    known = initialisers(graph)
    tensor = first.output
    while tensor in readers:
        node = readers[tensor]
        # What reads it as a weight, a slope or a limit is no path.
        if node.input[0] != tensor:
            return None
        second = layers.get(id(node))
        if second is not None:
            flattened = not second.convolves and first.convolves
            fits = flat == flattened and (first.convolves or not second.convolves)
            return Pair(first, second, ceiling, rectified) if fits else None
        if node.op_type in _HOMOGENEOUS:
            rectified = rectified or node.op_type == "Relu"
            if node.op_type in _POOLS and not (first.convolves and not flat):
                return None
            if node.op_type == "PRelu" and node.input[1] not in known:
                return None
            if len([name for name in node.output if name]) != 1:
                return None
        elif node.op_type == "Flatten":
            if not first.convolves or flat or attribute(node, "axis", 1) != 1:
                return None
            flat = True
        elif node.op_type == "Clip":
            limits = clip_limits(graph, node)
            # A floor of 0 or none at all commutes with scaling; any other does not.
            if limits is None or limits[0] not in (0.0, -float("inf")) or limits[1] <= 0:
                return None
            if tensor != first.output and limits[1] < float("inf"):
                return None
            ceiling = min(ceiling, limits[1])
            rectified = rectified or limits[0] == 0
        else:
            return None
        tensor = node.output[0]
    return None


def _only_readers(graph: GraphProto, counts: dict[str, int]) -> dict[str, NodeProto]:
    """Tensor -> the node that reads it, where that is its only reader anywhere."""
    nested = {
        name for inner in list(subgraphs(graph))[1:] for node in inner.node for name in node.input
    }
    return {
        name: node
        for node in graph.node
        for name in node.input
        if name and counts.get(name) == 1 and name not in nested
    }
