"""Follow channels through the layers that only move them: Concat, Split, Slice and shuffles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .graph import attribute, constant, consumers, producers, tensor_types

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["Atom", "Moves", "find_shuffles", "moved_channels"]

Atom = tuple[str, int]
"""One channel: the tensor a layer made it in, and its index there."""


@dataclass
class Moves:
    """Where the channels of moved tensors come from."""

    nodes: list[NodeProto] = field(default_factory=list)
    """The nodes that only move channels, in graph order."""
    channels: dict[str, list[Atom]] = field(default_factory=dict)
    """Tensor -> its channels, of everything that ``nodes`` read or make."""
    counts: dict[str, int] = field(default_factory=dict)
    """Source tensor -> how many channels it has."""


def find_shuffles(
    model: ModelProto, shapes: Mapping[str, Sequence[int | None]] | None = None
) -> dict[str, tuple[list[NodeProto], list[int]]]:
    """Channel shuffles by output tensor: their three nodes, and for each channel its old index.

    A shuffle is Reshape [N, C, H, W] to [N, g, C/g, H, W], Transpose of axes 1 and 2, and Reshape
    back, with no other reader in between; or a Gather of all channels of an image in another order.
    ``shapes`` spares their inference.
    """
    graph = model.graph
    counts = consumers(graph)
    made = producers(graph)
    found = {}
    standard = [node for node in graph.node if node.domain in ("", "ai.onnx")]
    transposes = [node for node in standard if node.op_type == "Transpose"]
    gathers = [node for node in standard if node.op_type == "Gather"]
    if shapes is None and (transposes or gathers):
        shapes = {name: dims for name, (_, dims) in tensor_types(model).items()}
    for swap in transposes:
        opening = made.get(swap.input[0])
        closing = next((n for n in graph.node if swap.output[0] in n.input), None)
        if opening is None or closing is None:
            continue
        if opening.op_type != "Reshape" or closing.op_type != "Reshape":
            continue
        if counts[swap.input[0]] != 1 or counts[swap.output[0]] != 1:
            continue
        if list(attribute(swap, "perm", ())) != [0, 2, 1, 3, 4]:
            continue
        before = tuple((shapes or {}).get(opening.input[0], ()))
        between = tuple((shapes or {}).get(swap.input[0], ()))
        after = tuple((shapes or {}).get(closing.output[0], ()))
        if len(before) != 4 or len(between) != 5 or before[1:] != after[1:]:
            continue
        groups, width, channels = between[1], between[2], before[1]
        if not groups or not width or not channels or groups * width != channels:
            continue
        if None in before[2:] or before[2:] != between[3:]:
            continue
        order = [g * width + w for w in range(width) for g in range(groups)]
        found[closing.output[0]] = ([opening, swap, closing], order)
    for node in gathers:
        before = tuple((shapes or {}).get(node.input[0], ()))
        indices = constant(graph, node.input[1])
        if attribute(node, "axis", 0) != 1 or len(before) != 4 or indices is None:
            continue
        if indices.ndim == 1:
            order = indices.tolist()
            if sorted(order) == list(range(before[1] or 0)):
                found[node.output[0]] = ([node], order)
    return found


def moved_channels(
    graph: GraphProto, shuffles: dict[str, tuple[list[NodeProto], list[int]]], model: ModelProto
) -> Moves:
    """Trace the channels around ``shuffles``, and through what joins or parts them."""
    types = tensor_types(model)
    moves = Moves()
    inside = {node.output[0]: output for output, (nodes, _) in shuffles.items() for node in nodes}

    def atoms(name: str) -> list[Atom] | None:
        if name not in moves.channels:
            shape = types.get(name, (0, ()))[1]
            if len(shape) != 4 or not shape[1]:
                return None
            moves.channels[name] = [(name, index) for index in range(shape[1])]
            moves.counts[name] = shape[1]
        return moves.channels[name]

    for node in _around(graph, shuffles):
        if node.output[0] in inside:
            output = inside[node.output[0]]
            nodes, order = shuffles[output]
            if node is not nodes[-1]:
                moves.nodes.append(node)
                continue
            given = atoms(nodes[0].input[0])
            made = None if given is None else [[given[index] for index in order]]
        elif node.op_type == "Concat":
            parts = [atoms(name) for name in node.input]
            made = None if None in parts else [[a for part in parts for a in part or ()]]
        elif node.op_type == "Slice":
            given, part = atoms(node.input[0]), _channel_slice(graph, node)
            made = None if given is None or part is None else [given[part]]
        else:
            made = _split(graph, node, atoms(node.input[0]))
        if made is None:
            return Moves()
        moves.nodes.append(node)
        moves.channels.update(zip(node.output, made, strict=True))
    return moves


def _around(
    graph: GraphProto, shuffles: dict[str, tuple[list[NodeProto], list[int]]]
) -> list[NodeProto]:
    """Shuffles, and what joins or parts their channels, in graph order."""
    chosen = {node.output[0] for nodes, _ in shuffles.values() for node in nodes}
    grown = True
    while grown:
        grown = False
        inputs = {n for node in graph.node if node.output[0] in chosen for n in node.input}
        outputs = {n for node in graph.node if node.output[0] in chosen for n in node.output}
        for node in graph.node:
            if node.output[0] in chosen or not _moves(graph, node):
                continue
            if inputs & set(node.output) or outputs & set(node.input):
                chosen.add(node.output[0])
                grown = True
    return [node for node in graph.node if node.output[0] in chosen]


def _moves(graph: GraphProto, node: NodeProto) -> bool:
    """Whether the node joins or parts channels."""
    if node.op_type == "Slice":
        return _channel_slice(graph, node) is not None
    return node.op_type in ("Concat", "Split") and attribute(node, "axis", 0) == 1


def _channel_slice(graph: GraphProto, node: NodeProto) -> slice | None:
    """The consecutive channels that a Slice takes; None where its bounds are not constant, or are
    those of other axes."""
    if len(node.input) < 4:
        return None
    given = [constant(graph, name) for name in node.input[1:] if name]
    if any(value is None or value.size != 1 for value in given):
        return None
    start, end, axis, *step = (int(value.item()) for value in given if value is not None)
    return slice(start, end) if axis == 1 and step in ([], [1]) else None


def _split(graph: GraphProto, node: NodeProto, given: list[Atom] | None) -> list[list[Atom]] | None:
    if given is None:
        return None
    sizes = constant(graph, node.input[1]) if len(node.input) > 1 and node.input[1] else None
    lengths = [int(size) for size in sizes] if sizes is not None else []
    if not lengths:
        width = -(-len(given) // len(node.output))
        lengths = [width] * (len(node.output) - 1)
        lengths.append(len(given) - sum(lengths))
    if sum(lengths) != len(given) or len(lengths) != len(node.output):
        return None
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    return [given[start : start + size] for start, size in zip(starts, lengths, strict=True)]
