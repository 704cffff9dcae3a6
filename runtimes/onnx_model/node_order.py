"""Nodes in the order that ONNX asks for: each after those that make what it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnx import GraphProto, NodeProto

__all__ = ["sort_nodes"]


def sort_nodes(graph: GraphProto) -> None:
    """Bring the nodes into such an order, in place, where they are in none.

    ONNX Runtime takes them in any, and some converters write a Cast of an input last. Nodes that
    are in order keep their places. What lies on a circle, or reads what nobody makes, is left as it
    is: that is for others to refuse.
    """
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    needs = [
        {makers[name] for name in _read(node) if name in makers} - {index}
        for index, node in enumerate(graph.node)
    ]
    if all(max(need, default=-1) < index for index, need in enumerate(needs)):
        return
    order = _ordered(needs)
    if len(order) == len(needs):
        nodes = list(graph.node)
        del graph.node[:]
        graph.node.extend(nodes[index] for index in order)


def _ordered(needs: list[set[int]]) -> list[int]:
    """Depth first from each node in turn, so that no recursion limit bounds a deep graph."""
    order: list[int] = []
    state: dict[int, bool] = {}  # False: on the way to it, True: placed
    for start in range(len(needs)):
        todo = [start]
        while todo:
            index = todo[-1]
            if index in state:
                todo.pop()
                if not state[index]:
                    state[index] = True
                    order.append(index)
                continue
            state[index] = False
            for need in sorted(needs[index], reverse=True):
                if need not in state:
                    todo.append(need)
                elif not state[need]:
                    return []  # a circle
    return order


def _read(node: NodeProto) -> Iterator[str]:
    """What a node reads, in the graphs within it too."""
    yield from node.input
    for entry in node.attribute:
        for graph in (*([entry.g] if entry.HasField("g") else ()), *entry.graphs):
            for inner in graph.node:
                yield from _read(inner)
            yield from (value.name for value in graph.output)
