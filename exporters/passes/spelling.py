"""Write operators that no quantiser knows as those that it knows: HardSwish, Swish, Sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import PassResult, attribute, replace_node

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["apply"]


def apply(model: ModelProto) -> PassResult:
    """Precondition: none. Postcondition: HardSwish and Swish are their input times its HardSigmoid
    or Sigmoid, and a Sum of two or more is additions."""
    graph = model.graph
    changes = []
    for node in list(graph.node):
        if node.domain not in ("", "ai.onnx"):
            continue
        new = _respelt(node)
        if new:
            replace_node(graph, node, new)
            changes.append(f"{node.op_type} {node.name or node.output[0]}")
    return PassResult("spelling", tuple(changes))


def _respelt(node: NodeProto) -> list[NodeProto]:
    from onnx import helper

    source, target = node.input[0] if node.input else "", node.output[0]
    name = node.name or target
    if node.op_type == "HardSwish":
        gate = helper.make_node(
            "HardSigmoid", [source], [f"{target}/gate"], f"{name}/gate", alpha=1 / 6, beta=0.5
        )
    elif node.op_type == "Swish" and attribute(node, "alpha", 1.0) == 1.0:
        gate = helper.make_node("Sigmoid", [source], [f"{target}/gate"], f"{name}/gate")
    elif node.op_type == "Sum" and len(node.input) > 1:
        partial, nodes = source, []
        for index, term in enumerate(node.input[1:], 1):
            last = index == len(node.input) - 1
            output = target if last else f"{target}/sum_{index}"
            own = name if last else f"{name}/sum_{index}"
            nodes.append(helper.make_node("Add", [partial, term], [output], own))
            partial = output
        return nodes
    else:
        return []
    return [gate, helper.make_node("Mul", [source, gate.output[0]], [target], name)]
