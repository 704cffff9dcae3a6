"""Decide which nodes of a prepared model compute in int8, move integers about, or stay float."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .passes.graph import attribute, consumers, initialisers, producers, tensor_types

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

__all__ = ["COMPUTED", "FOLDED", "LAYERS", "MOVING", "Plan", "followers", "make_plan"]

LAYERS = ("Conv", "Gemm", "MatMul")
"""Multiply with weights: what int8 is for."""

LIGHT = ("Add", "AveragePool", "GlobalAveragePool", "LeakyRelu", "Mul", "Sigmoid")
"""Have an int8 kernel, and are int8 where an input is; alone among float they stay float."""

COMPUTED: tuple[str, ...] = (*LAYERS, *LIGHT, "HardSigmoid")
"""Round their result to a range of its own."""

MOVING: tuple[str, ...] = (
    *("Flatten", "Gather", "MaxPool", "Pad", "Reshape", "Resize", "Slice", "Split"),
    *("Squeeze", "Transpose", "Unsqueeze"),
)
"""Move integers about unchanged: what comes out has the scale of what went in."""

FOLDED: tuple[str, ...] = ("Clip", "Relu")
"""Vanish into the saturation of the layer before them, else bound the integers themselves."""

_FLOAT_OUTPUT = ("Gemm", "MatMul")
"""Their int8 kernels hand out float as well, so a network's last layer need not be rounded."""


@dataclass
class Plan:
    """What becomes of each node, by name; a node in none of these sets stays float."""

    computed: set[str] = field(default_factory=set)
    """Run an int8 kernel, between DequantizeLinear and QuantizeLinear."""
    moved: set[str] = field(default_factory=set)
    """Run on the integers themselves."""
    vanished: set[str] = field(default_factory=set)
    """Relu and Clip that the saturation of the layer before them does."""
    integers: set[str] = field(default_factory=set)
    """Tensors that are made as integers."""


def followers(graph: GraphProto) -> dict[str, str]:
    """Tensor -> the tensor whose scale it takes, whatever is int8 in the end."""
    counts = consumers(graph)
    made = producers(graph)
    follows: dict[str, str] = {}
    for node in graph.node:
        if node.op_type in MOVING:
            follows.update(dict.fromkeys(node.output, node.input[0]))
        elif node.op_type in FOLDED and node.input[0] in made:
            before = made[node.input[0]].op_type
            if before in COMPUTED and counts[node.input[0]] == 1:
                follows[node.input[0]] = node.output[0]
            elif before in (*COMPUTED, *MOVING, *FOLDED, "Concat"):
                follows[node.output[0]] = node.input[0]
    return follows


def make_plan(model: ModelProto, ranged: Collection[str], float_nodes: Collection[str]) -> Plan:
    """Plan int8 for ``model``; only tensors in ``ranged`` can be integers."""
    from onnx import TensorProto

    graph = model.graph
    known = initialisers(graph)
    types = tensor_types(model)
    able = {
        node.name
        for node in graph.node
        if node.name not in float_nodes
        and node.domain in ("", "ai.onnx")
        and _able(node, known)
        and all(
            types.get(name, (TensorProto.FLOAT, ()))[0] == TensorProto.FLOAT
            for name in (*_activations(node, known), *node.output)
        )
        and all(name in ranged for name in (*_activations(node, known), *node.output) if name)
    }
    wanted = _wanted(graph, able, known)
    plan = Plan()
    counts = consumers(graph)
    made = producers(graph)
    for node in graph.node:
        if node.name not in able:
            continue
        carried = [name in plan.integers for name in _activations(node, known)]
        if node.op_type in LAYERS:
            plan.computed.add(node.name)
            if node.op_type in _FLOAT_OUTPUT and node.output[0] not in wanted:
                continue
        elif node.op_type in MOVING or node.op_type == "Concat":
            if not any(carried) and node.output[0] not in wanted:
                continue
            plan.moved.add(node.name)
        elif not any(carried):
            continue
        elif node.op_type in FOLDED:
            before = made[node.input[0]]
            alone = counts[node.input[0]] == 1 and before.name in plan.computed
            (plan.vanished if alone else plan.moved).add(node.name)
        else:
            plan.computed.add(node.name)
        plan.integers.update(node.output)
    return plan


def _wanted(graph: GraphProto, able: set[str], known: dict[str, TensorProto]) -> set[str]:
    """Tensors that an int8 layer reads in the end, with nothing float on the way."""
    wanted: set[str] = set()
    for node in reversed(graph.node):
        if node.name in able and (
            node.op_type in LAYERS or any(name in wanted for name in node.output)
        ):
            wanted.update(_activations(node, known))
    return wanted


def _activations(node: NodeProto, known: dict[str, TensorProto]) -> list[str]:
    """The inputs that are int8 where the node is: no weights, shapes or bounds."""
    if node.op_type in ("Add", "Concat", "Mul"):
        return [name for name in node.input if name not in known]
    return list(node.input[:1])


def _able(node: NodeProto, known: dict[str, TensorProto]) -> bool:
    """Whether there is an int8 form of this very node."""
    if node.op_type in LAYERS:
        return _able_layer(node, known)
    if node.op_type in ("Add", "Mul"):
        return any(name not in known for name in node.input)
    if node.op_type == "Concat":
        return not any(name in known for name in node.input)
    if node.op_type in ("AveragePool", "MaxPool"):
        plain = set(attribute(node, "dilations", (1,))) == {1}
        return plain and len(node.output) == 1 and len(attribute(node, "kernel_shape", ())) == 2
    if node.op_type == "HardSigmoid":
        return float(attribute(node, "alpha", 0.2)) > 0
    if node.op_type == "Resize":
        mode = attribute(node, "mode", b"nearest")
        return mode == b"nearest" and node.input[0] not in known
    if node.op_type == "Pad":
        return _able_pad(node, known)
    if node.op_type in (*MOVING, *FOLDED):
        return node.input[0] not in known and all(name in known for name in node.input[1:] if name)
    return node.op_type in COMPUTED


def _able_layer(node: NodeProto, known: dict[str, TensorProto]) -> bool:
    from onnx import TensorProto

    weight = known.get(node.input[1])
    bias = known.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if weight is None or node.input[0] in known or weight.data_type != TensorProto.FLOAT:
        return False
    if len(node.input) > 2 and node.input[2] and bias is None:
        return False
    if node.op_type == "Conv":
        return len(weight.dims) in (3, 4)
    if node.op_type == "MatMul":
        return len(weight.dims) == 2
    plain = attribute(node, "alpha", 1.0) == 1.0 and not attribute(node, "transA", 0)
    outputs = weight.dims[0] if attribute(node, "transB", 0) else weight.dims[1]
    size = 1
    for length in () if bias is None else bias.dims:
        size *= length
    fits = bias is None or (attribute(node, "beta", 1.0) == 1.0 and size == outputs)
    return plain and fits


def _able_pad(node: NodeProto, known: dict[str, TensorProto]) -> bool:
    """Padding with zeros, or with what is there; the zero is a zero point in integers."""
    from onnx import numpy_helper

    if node.input[0] in known or any(name not in known for name in node.input[1:] if name):
        return False
    if attribute(node, "mode", b"constant") != b"constant":
        return True
    if len(node.input) < 3 or not node.input[2]:
        return True
    return not numpy_helper.to_array(known[node.input[2]]).any()
