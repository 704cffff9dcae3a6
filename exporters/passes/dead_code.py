"""Drop what computes nothing: Identity, Dropout, pooling of one pixel, whatever nobody reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import PassResult, attribute, consumers, producers, rename_tensor, subgraphs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["apply"]


def apply(model: ModelProto) -> PassResult:
    """Precondition: none. Postcondition: every node, initialiser and value_info of the main graph
    is read, and what hands its input on stands only between a graph input or constant and a
    graph output."""
    graph = model.graph
    read = consumers(graph)
    changes = [
        f"{node.op_type} {node.name or node.output[0]}"
        for node in list(graph.node)
        if _passes_through(node, read) and _bypass(graph, node)
    ]
    while dead := _unread(graph):
        for node in dead:
            graph.node.remove(node)
            changes.append(f"{node.op_type} {node.name or node.output[0]}")
    read = consumers(graph)
    for tensor in [t for t in graph.initializer if t.name not in read]:
        graph.initializer.remove(tensor)
        changes.append(f"constant {tensor.name}")
    live = {name for nested in subgraphs(graph) for node in nested.node for name in node.output}
    stale = [v for v in graph.value_info if v.name not in live or v.name not in read]
    for value in stale:
        graph.value_info.remove(value)
    return PassResult("dead_code", tuple(changes))


def _passes_through(node: NodeProto, read: Mapping[str, int]) -> bool:
    """Identity, Dropout that is not training, or a pooling whose window is one pixel (adaptive
    pooling to the size it has)."""
    if node.domain not in ("", "ai.onnx"):
        return False
    if node.op_type == "Dropout":
        return len(node.input) < 3 and (len(node.output) == 1 or node.output[1] not in read)
    if node.op_type in ("AveragePool", "MaxPool"):
        return (
            len(node.output) == 1
            and set(attribute(node, "kernel_shape", ())) == {1}
            and set(attribute(node, "strides", (1,))) == {1}
            and not any(attribute(node, "pads", ()))
        )
    return node.op_type == "Identity"


def _bypass(graph: GraphProto, node: NodeProto) -> bool:
    source, target = node.input[0], node.output[0]
    outputs = {value.name for value in graph.output}
    if target not in outputs:
        rename_tensor(graph, target, source)
        graph.node.remove(node)
        return True
    producer = producers(graph).get(source)
    if producer is None or source in outputs:
        return False
    graph.node.remove(node)
    rename_tensor(graph, source, target)
    index = list(producer.output).index(source)
    producer.output[index] = target
    return True


def _unread(graph: GraphProto) -> list[NodeProto]:
    read = consumers(graph)
    return [node for node in graph.node if not any(name in read for name in node.output)]
