"""Add empty channels within a network where its int8 kernels are faster with a full number of them.

ONNX Runtime's depthwise int8 kernel wants multiples of 16 channels, and falls back to one that
takes twice the time (58 channels at 28 pixels: 68 us, 64 channels: 39). Where nothing but
convolutions can see how many channels there are, filters of zeros fill them up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .channel_span import Spans, is_depthwise, resize
from .graph import PassResult, attribute, subgraphs

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["apply"]

_LANES = 16
_MOST_ADDED = 1 / 3
"""Channels are added only up to this part of those there are."""


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
    search = Spans(model)
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
        resize(graph, span, added)
        changes.append(f"{node.name or node.output[0]}: {channels} to {channels + added}")
    if changes:
        del graph.value_info[:]
    return PassResult("full_lanes", tuple(changes))


def _uneven(graph: GraphProto, node: NodeProto) -> bool:
    return is_depthwise(graph, node) and attribute(node, "group", 1) % _LANES != 0
