"""Float nodes between integers that ONNX Runtime would compute in int8 if nothing stopped it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..passes.graph import attribute, initialisers
from .plan import FOLDED, MOVING

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

    from .plan import Plan

__all__ = ["HELD", "held", "input_channels"]

HELD = "_held"
"""What the float tensor that only a QuantizeLinear reads has in its name, after such a node."""

_FUSED = (
    *("Add", "AveragePool", "Concat", "GlobalAveragePool", "LeakyRelu", "Mul"),
    *("Sigmoid", "Softmax", "Where"),
)
"""Without weights, and made one int8 node with the DequantizeLinear before and the QuantizeLinear
after them: see ONNX Runtime's qdq_selector_action_transformer.cc."""


def held(graph: GraphProto, plan: Plan) -> set[str]:
    """Float tensors that must not be made integers right where they are made.

    ``plan`` wants the nodes that make them in float, but they read integers, and ONNX Runtime would
    compute them in int8, through nodes that move or bound values too.
    """
    known = initialisers(graph)
    planned = plan.computed | plan.moved | plan.vanished
    integers = set(plan.integers)
    found: set[str] = set()
    for node in graph.node:
        if node.name in planned or node.domain not in ("", "ai.onnx"):
            continue
        if node.op_type in _FUSED:
            if all(name in integers or name in known for name in node.input):
                found.update(node.output)
        elif node.op_type in (*MOVING, *FOLDED):
            if node.input[0] in found:
                found.update(node.output)
            elif node.input[0] in integers:
                integers.update(node.output)
    return found


def input_channels(node: NodeProto, weight: TensorProto) -> int:
    """How many channels or numbers a Conv, ConvTranspose or Gemm with that ``weight`` reads."""
    if node.op_type == "Conv":
        return int(weight.dims[1] * attribute(node, "group", 1))
    if node.op_type == "ConvTranspose" or not attribute(node, "transB", 0):
        return int(weight.dims[0])
    return int(weight.dims[1])
