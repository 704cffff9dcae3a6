"""Compile channel shuffles away: order each layer's filters so that nothing needs shuffling.

Between the layers of a ShuffleNet, channels are only moved about: concatenated, shuffled
(Reshape, Transpose, Reshape), split or sliced. Every channel that a layer makes is read by one
later layer in the end, and the order within a layer is free as long as the weights on both sides
agree. So the filters of each layer are sorted by who reads them; one Split hands each reader its
part, one Concat gathers what a reader needs, and the shuffles are gone. The outputs stay what they
were, up to the order of floating-point sums.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .channel_moves import Atom, find_shuffles, moved_channels
from .graph import PassResult, attribute, constant, consumers, producers, subgraphs

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["apply"]

_CHANNELWISE = ("Clip", "LeakyRelu", "MaxPool", "Relu", "Sigmoid")


@dataclass
class _Plan:
    """New orders, each a list of old indices: of a Conv's filters, and of a Conv's inputs."""

    filters: dict[str, tuple[NodeProto, list[int]]] = field(default_factory=dict)
    inputs: dict[str, tuple[NodeProto, list[int]]] = field(default_factory=dict)


def apply(model: ModelProto) -> PassResult:
    """Precondition: constants are initialisers. Postcondition: no channel shuffle is left, or the
    graph is as it was because the layers around one cannot be reordered."""
    graph = model.graph
    if sum(1 for _ in subgraphs(graph)) > 1 or not (shuffles := find_shuffles(model)):
        return PassResult("shuffle")
    moves = moved_channels(graph, shuffles, model)
    if not moves.nodes:
        return PassResult("shuffle")
    read = _read_outside(graph, moves.nodes, moves.channels)
    orders = _source_orders(read, moves.channels, moves.counts)
    plan = _Plan()
    if orders is None or not _plan_sources(graph, orders, moves.nodes, plan):
        return PassResult("shuffle")
    gathered = {name: _gathered(moves.channels[name], orders) for name in read}
    moving = {node.output[0] for node in moves.nodes}
    if not all(_plan_readers(graph, name, gathered[name], plan, moving) for name in read):
        return PassResult("shuffle")
    _rewrite(graph, read, orders, moves.nodes)
    for node, order in plan.filters.values():
        for name in node.input[1:]:
            _reorder(graph, name, order, axis=0)
    for node, order in plan.inputs.values():
        _reorder(graph, node.input[1], order, axis=1)
    del graph.value_info[:]
    return PassResult("shuffle", tuple(shuffles))


Orders = dict[str, list[tuple[str, list[int]]]]
"""Source tensor -> its channels in their new order, in one part for each tensor that reads them."""


def _read_outside(
    graph: GraphProto, moving: list[NodeProto], channels: dict[str, list[Atom]]
) -> list[str]:
    """Moved tensors that a layer reads, or that are outputs of the graph, in graph order."""
    inside = {node.output[0] for node in moving}
    made_here = {name for node in moving for name in node.output}
    names = {n for node in graph.node if node.output[0] not in inside for n in node.input}
    names |= {value.name for value in graph.output}
    return [name for name in channels if name in names and name in made_here]


def _source_orders(
    read: list[str], channels: dict[str, list[Atom]], counts: dict[str, int]
) -> Orders | None:
    """Sort every source's channels by their reader; None where a channel has not exactly one."""
    parts: dict[str, dict[str, list[int]]] = {source: {} for source in counts}
    for name in read:
        for source, channel in channels[name]:
            parts[source].setdefault(name, []).append(channel)
    for source, by_reader in parts.items():
        if sorted(c for chosen in by_reader.values() for c in chosen) != list(
            range(counts[source])
        ):
            return None
    return {
        source: [(name, sorted(chosen)) for name, chosen in by_reader.items()]
        for source, by_reader in parts.items()
    }


def _gathered(atoms: list[Atom], orders: Orders) -> list[int]:
    """The order in which a reader finds its channels: indices into its old order."""
    position = {atom: index for index, atom in enumerate(atoms)}
    wanted = set(atoms)
    return [
        position[source, channel]
        for source in orders
        for _, chosen in orders[source]
        for channel in chosen
        if (source, channel) in wanted
    ]


def _plan_sources(graph: GraphProto, orders: Orders, moving: list[NodeProto], plan: _Plan) -> bool:
    """Let the Conv behind each source make its filters in the new order."""
    made = producers(graph)
    counts = consumers(graph)
    inside: dict[str, int] = {}
    for node in moving:
        for name in node.input:
            inside[name] = inside.get(name, 0) + 1
    for source, parts in orders.items():
        order = [channel for _, chosen in parts for channel in chosen]
        tensor = source
        while tensor in made:
            node = made[tensor]
            # Whoever else reads the tensor would see its channels in the new order.
            if counts[tensor] != (inside[source] if tensor == source else 1):
                return False
            if node.op_type == "Conv" and _owns_weights(graph, node):
                plan.filters[node.output[0]] = (node, order)
                if attribute(node, "group", 1) == 1:
                    break
                if not _is_depthwise(graph, node):
                    return False
            elif node.op_type not in _CHANNELWISE or len(node.output) > 1:
                return False
            tensor = node.input[0]
        else:
            return False
    return True


def _plan_readers(
    graph: GraphProto, name: str, order: list[int], plan: _Plan, moving: set[str]
) -> bool:
    """Let every layer that reads ``name``, or its channels one by one, expect the new order."""
    if name in {value.name for value in graph.output}:
        return False
    for node in [node for node in graph.node if name in node.input]:
        if node.output[0] in moving:
            continue
        if node.op_type == "Conv" and _owns_weights(graph, node) and node.input[0] == name:
            if attribute(node, "group", 1) == 1:
                plan.inputs[node.output[0]] = (node, order)
                continue
            if not _is_depthwise(graph, node) or node.output[0] in plan.filters:
                return False
            plan.filters[node.output[0]] = (node, order)
        elif node.op_type not in _CHANNELWISE or len(node.output) > 1:
            return False
        if not _plan_readers(graph, node.output[0], order, plan, moving):
            return False
    return True


def _owns_weights(graph: GraphProto, node: NodeProto) -> bool:
    counts = consumers(graph)
    return all(counts[n] == 1 and constant(graph, n) is not None for n in node.input[1:] if n)


def _is_depthwise(graph: GraphProto, node: NodeProto) -> bool:
    weight = constant(graph, node.input[1])
    return weight is not None and attribute(node, "group", 1) == weight.shape[0]


def _rewrite(
    graph: GraphProto,
    read: list[str],
    orders: Orders,
    moving: list[NodeProto],
) -> None:
    """Put one Split behind each source and one Concat before each reader; drop what moved."""
    import numpy as np
    from onnx import helper, numpy_helper

    pieces: dict[str, list[str]] = {name: [] for name in read}
    splits: dict[str, NodeProto] = {}
    for source, parts in orders.items():
        if len(parts) == 1:
            pieces[parts[0][0]].append(source)
            continue
        names = [f"{source}/part_{index}" for index in range(len(parts))]
        sizes = numpy_helper.from_array(
            np.array([len(chosen) for _, chosen in parts], np.int64), f"{source}/part_sizes"
        )
        graph.initializer.append(sizes)
        node = helper.make_node("Split", [source, sizes.name], names, f"{source}/split", axis=1)
        splits[source] = node
        for (reader, _), name in zip(parts, names, strict=True):
            pieces[reader].append(name)
    inside = {node.output[0] for node in moving}
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.output[0] not in inside:
            nodes.append(node)
            nodes += [splits[name] for name in node.output if name in splits]
            continue
        for name in node.output:
            if name in pieces:
                nodes.append(
                    helper.make_node("Concat", pieces[name], [name], f"{name}/gather", axis=1)
                )
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _reorder(graph: GraphProto, name: str, order: list[int], axis: int) -> None:
    from onnx import numpy_helper

    tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
    values = numpy_helper.to_array(tensor).take(order, axis=axis)
    tensor.CopyFrom(numpy_helper.from_array(values, name))
