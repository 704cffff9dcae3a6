"""Decide which nodes of a prepared model compute in int8, move integers about, or stay float."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from ..passes.graph import attribute, consumers, initialisers, producers
from .scales import (
    Range,
    activation_scale,
    clip_bounds,
    integer_bounds,
    integer_limits,
)

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

    from ..profiles import Profile

__all__ = ["COMPUTED", "FOLDED", "LAYERS", "MOVING", "Plan", "followers", "hindrance", "make_plan"]

LAYERS = ("Conv", "Gemm", "MatMul")
"""Multiply with weights: what int8 is for."""

LIGHT = ("Add", "AveragePool", "GlobalAveragePool", "LeakyRelu", "Mul", "Sigmoid")
"""Have an int8 kernel, and are int8 where an input is; alone among float they stay float."""

_JOINING = ("Add", "Mul")
"""Of these, int8 only where a layer or a pooling reads the integers in the end: the sums that a
transformer normalises in float would lose what its layers add to them."""

_POOLING = ("AveragePool", "GlobalAveragePool")

COMPUTED: tuple[str, ...] = (*LAYERS, *LIGHT, "HardSigmoid")
"""Round their result to a range of its own."""

MOVING: tuple[str, ...] = (
    *("Flatten", "Gather", "MaxPool", "Pad", "Reshape", "Resize", "Slice", "Split"),
    *("Squeeze", "Tile", "Transpose", "Unsqueeze"),
)
"""Move integers about unchanged: what comes out has the scale of what went in."""

FOLDED: tuple[str, ...] = ("Clip", "Relu")
"""Vanish into the saturation of the layer before them, else bound the integers themselves."""

_SATURATING = (*LAYERS, *LIGHT)
"""Saturate where the range of their result ends; that of a HardSigmoid is always 0 to 1."""

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
    """Tensor -> the tensor whose scale it takes, whatever is int8 in the end.

    What has no int8 form hands nothing on: a Pad with ones or a cubic Resize makes new values.
    """
    counts = consumers(graph)
    made = producers(graph)
    known = initialisers(graph)
    follows: dict[str, str] = {}
    for node in graph.node:
        if hindrance(node, known):
            continue
        if node.op_type in MOVING:
            follows.update(dict.fromkeys(node.output, node.input[0]))
        elif node.op_type in FOLDED and node.input[0] in made:
            before = made[node.input[0]].op_type
            if before in _SATURATING and counts[node.input[0]] == 1:
                follows[node.input[0]] = node.output[0]
            elif before in (*COMPUTED, *MOVING, *FOLDED, "Concat"):
                follows[node.output[0]] = node.input[0]
    return follows


def make_plan(
    model: ModelProto,
    ranges: Mapping[str, Range],
    profile: Profile,
    float_nodes: Collection[str],
) -> Plan:
    """Plan int8 for ``model``; only float tensors in ``ranges`` can become integers."""
    graph = model.graph
    known = initialisers(graph)
    able = {
        node.name
        for node in graph.node
        if node.name not in float_nodes
        and not hindrance(node, known)
        and all(name in ranges for name in (*_activations(node, known), *node.output) if name)
    }
    wanted = _wanted(graph, able, known, LAYERS)
    joined = _wanted(graph, able, known, (*LAYERS, *_POOLING))
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
        elif not any(carried) or (node.op_type in _JOINING and node.output[0] not in joined):
            continue
        elif node.op_type in FOLDED:
            before = made[node.input[0]]
            saturated = (
                counts[node.input[0]] == 1
                and before.name in plan.computed
                and before.op_type in _SATURATING
                and _saturates(node, known, ranges[node.output[0]], profile)
            )
            (plan.vanished if saturated else plan.moved).add(node.name)
        else:
            plan.computed.add(node.name)
        plan.integers.update(node.output)
    return plan


def _saturates(
    node: NodeProto, known: Mapping[str, TensorProto], span: Range, profile: Profile
) -> bool:
    """Whether Relu or Clip does nothing more to integers that are saturated over ``span``.

    That range may reach further than the node's own result, to hold zero or to be shared.
    """
    scale = activation_scale(span, profile)
    return integer_bounds(clip_bounds(node, known), scale) == integer_limits(scale)


def _wanted(
    graph: GraphProto, able: set[str], known: dict[str, TensorProto], readers: Collection[str]
) -> set[str]:
    """Tensors that one of ``readers`` in int8 reads in the end, with nothing float on the way."""
    wanted: set[str] = set()
    for node in reversed(graph.node):
        if node.name in able and (
            node.op_type in readers or any(name in wanted for name in node.output)
        ):
            wanted.update(_activations(node, known))
    return wanted


def _activations(node: NodeProto, known: dict[str, TensorProto]) -> list[str]:
    """The inputs that are int8 where the node is: no weights, shapes or bounds."""
    if node.op_type in ("Add", "Concat", "Mul"):
        return [name for name in node.input if name not in known]
    return list(node.input[:1])


def hindrance(node: NodeProto, known: Mapping[str, TensorProto]) -> str:
    """Why there is no int8 form of this very node; empty where there is one.

    ``known`` are the constants of its graph.
    """
    op = node.op_type
    if node.domain not in ("", "ai.onnx") or op not in (*COMPUTED, *MOVING, *FOLDED, "Concat"):
        return f"nnc knows no int8 form of {op} for ONNX Runtime's CPU kernels"
    if op in LAYERS:
        return _hindered_layer(node, known)
    if op in ("Add", "Mul"):
        return "" if any(name not in known for name in node.input) else "it is constant"
    if any(name in known for name in (node.input if op == "Concat" else node.input[:1])):
        return "it takes a constant"
    if op in ("AveragePool", "MaxPool"):
        if len(node.output) > 1 or len(attribute(node, "kernel_shape", ())) != 2:
            return "the int8 kernel pools in two dimensions and has one output"
        dilated = set(attribute(node, "dilations", (1,))) != {1}
        return "the int8 kernel has no dilation" if dilated else ""
    if op == "HardSigmoid":
        return "" if float(attribute(node, "alpha", 0.2)) > 0 else "its alpha is not positive"
    if op == "Resize" and attribute(node, "mode", b"nearest") != b"nearest":
        return "it interpolates; only nearest neighbours move integers"
    if op in (*MOVING, *FOLDED) and any(name not in known for name in node.input[1:] if name):
        return "its sizes or bounds are computed, not constant"
    return _hindered_pad(node, known) if op == "Pad" else ""


def _hindered_layer(node: NodeProto, known: Mapping[str, TensorProto]) -> str:
    from onnx import TensorProto

    weight = known.get(node.input[1])
    has_bias = len(node.input) > 2 and bool(node.input[2])
    bias = known.get(node.input[2]) if has_bias else None
    if weight is None:
        return _without_weights(node, known)
    if has_bias and bias is None:
        return "its bias is computed, not constant"
    if weight.data_type != TensorProto.FLOAT or node.input[0] in known:
        return "its weights are not float32, or its input is constant"
    if node.op_type == "Conv":
        return "" if len(weight.dims) in (3, 4) else "the int8 kernel has one or two dimensions"
    if len(weight.dims) != 2:
        return "its weights are no matrix"
    if node.op_type == "MatMul":
        return ""
    outputs = weight.dims[0] if attribute(node, "transB", 0) else weight.dims[1]
    if attribute(node, "alpha", 1.0) != 1.0 or attribute(node, "transA", 0):
        return "the int8 kernel has no alpha and no transposed input"
    if bias is not None and (attribute(node, "beta", 1.0) != 1.0 or prod(bias.dims) != outputs):
        return "the int8 kernel adds a bias with one number for each output, as it is"
    return ""


def _without_weights(node: NodeProto, known: Mapping[str, TensorProto]) -> str:
    if node.op_type == "Conv":
        return "its weights are computed, not constant"
    if node.input[0] in known:
        return "its constant is the first operand; an int8 layer has its weights as the second"
    return "both of its operands are activations; an int8 layer has constant weights"


def _hindered_pad(node: NodeProto, known: Mapping[str, TensorProto]) -> str:
    """Padding with zeros, or with what is there; the zero is a zero point in integers."""
    from onnx import numpy_helper

    if len(node.input) > 3 and node.input[3]:
        return "it pads some axes of a tensor whose rank cannot be told"
    constant_mode = attribute(node, "mode", b"constant") == b"constant"
    if not constant_mode or len(node.input) < 3 or not node.input[2]:
        return ""
    return (
        "it pads with another value than 0"
        if numpy_helper.to_array(known[node.input[2]]).any()
        else ""
    )
