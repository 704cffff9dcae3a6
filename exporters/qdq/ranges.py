"""Which tensors need a range of their own, and how the ranges of all others follow from those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..passes.graph import attribute, initialisers, tensor_types
from .plan import COMPUTED, FOLDED, MOVING, followers
from .scales import Range, clip_bounds

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["complete_ranges", "tensors_to_observe"]

_LEAST_SHARE = 0.25
"""A tensor shares a scale with others only where its own range is at least this part of theirs: it
then loses two of eight bits at most."""


def tensors_to_observe(model: ModelProto) -> list[str]:
    """The tensors whose range on real images the quantiser needs, in graph order.

    Left out are those whose scale follows from another's (what a moving operator hands on, what is
    folded into the activation after it) and those whose range is known.
    """
    from onnx import TensorProto

    graph = model.graph
    types = tensor_types(model)
    known = initialisers(graph)
    settled = {*known, *followers(graph), *_known_ranges(graph)}
    names: dict[str, None] = {}
    for node in graph.node:
        if node.op_type in (*COMPUTED, *MOVING, *FOLDED, "Concat"):
            names.update(dict.fromkeys((*node.input, *node.output)))
    return [
        name
        for name in names
        if name
        and name not in settled
        and types.get(name, (TensorProto.UNDEFINED, ()))[0] == TensorProto.FLOAT
    ]


def complete_ranges(model: ModelProto, observed: Mapping[str, Range]) -> dict[str, Range]:
    """The range over which each tensor is quantised, from those ``observed``.

    Tensors whose scale follows from another's take that one's range, and the parts of a Concat are
    given a common one where none of them loses much by it. Where a Clip, HardSigmoid or hard-swish
    makes some values impossible or alike, they take no integers.
    """
    graph = model.graph
    follows = followers(graph)
    fixed = _known_ranges(graph)
    own = dict(observed)
    for name, bounds in _bounds(graph).items():
        if name in own:
            own[name] = _within(own[name], bounds)
    own.update(fixed)
    leaders = {name: _leader(name, follows) for name in (*own, *follows)}
    groups = _Groups({name: span for name, span in own.items() if leaders[name] == name})
    for node in graph.node:
        if node.op_type == "Concat":
            names = [leaders.get(name, name) for name in (*node.input, *node.output)]
            if all(name in groups.spans and name not in fixed for name in names):
                groups.join(names)
    return {name: groups.span(leader) for name, leader in leaders.items() if leader in groups.spans}


class _Groups:
    """Tensors with a common range."""

    def __init__(self, spans: Mapping[str, Range]) -> None:
        self.spans = dict(spans)
        self._member_of = {name: name for name in spans}
        self._narrowest = {name: high - low for name, (low, high) in spans.items()}

    def span(self, name: str) -> Range:
        return self.spans[self._member_of[name]]

    def join(self, names: Iterable[str]) -> None:
        """Give ``names`` and all that share with them one range, if none is too narrow for it."""
        heads = list(dict.fromkeys(self._member_of[name] for name in names))
        low = min(self.spans[head][0] for head in heads)
        high = max(self.spans[head][1] for head in heads)
        narrowest = min(self._narrowest[head] for head in heads)
        if narrowest < _LEAST_SHARE * (high - low):
            return
        first = heads[0]
        self.spans[first] = (low, high)
        self._narrowest[first] = narrowest
        for name, head in self._member_of.items():
            if head in heads:
                self._member_of[name] = first


def _leader(name: str, follows: Mapping[str, str]) -> str:
    while name in follows:
        name = follows[name]
    return name


def _known_ranges(graph: GraphProto) -> dict[str, Range]:
    """Tensors whose range does not depend on the images."""
    return {node.output[0]: (0.0, 1.0) for node in graph.node if node.op_type == "HardSigmoid"}


def _bounds(graph: GraphProto) -> dict[str, Range]:
    """Tensor -> the values that can matter of it."""
    bounds = {}
    known = initialisers(graph)
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {value.name for value in graph.output}
    for node in graph.node:
        if node.op_type == "Clip":
            bounds[node.output[0]] = clip_bounds(node, known)
        elif node.op_type == "HardSigmoid" and node.input[0] not in outputs:
            alpha, beta = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
            if alpha <= 0:
                continue
            low, high = -beta / alpha, (1.0 - beta) / alpha
            others = [other for other in readers[node.input[0]] if other is not node]
            # x times hard-sigmoid(x) is zero for all that is below.
            swish = all(
                other.op_type == "Mul" and set(other.input) == {node.input[0], node.output[0]}
                for other in others
            )
            if swish:
                bounds[node.input[0]] = (low, float("inf") if others else high)
    return bounds


def _within(span: Range, bounds: Range) -> Range:
    low, high = max(span[0], bounds[0]), min(span[1], bounds[1])
    return (low, high) if low <= high else span
