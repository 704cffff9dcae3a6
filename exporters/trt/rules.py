"""Which layers of a network TensorRT computes in int8, and why the others stay as they are.

The rules are those of NVIDIA's guide to explicit quantisation and of its Model Optimizer: what a
layer reads is rounded and what it hands out is not, so that the sum before it, its activation and
the rounding for the next layer all fuse with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..passes.graph import attribute, consumers, initialisers, producers
from ..qdq.plan import MOVING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

__all__ = ["CHOSEN", "LAYERS", "TrtPlan", "hindrance", "make_plan"]

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Multiply with weights."""

CHOSEN = "chosen to stay float for the sake of accuracy"
"""Why a layer is float that could be int8."""

_LEAST_GEMM = 16
"""Rows and columns under which an int8 product of matrices takes longer than one in fp16."""

_GROUPED = 8
"""Channels of a grouped convolution: its int8 kernels take multiples of this."""


@dataclass
class TrtPlan:
    """What is rounded to int8, and where."""

    layers: dict[str, str] = field(default_factory=dict)
    """Node name of each layer -> why it is not int8; empty where it is."""
    rounded: dict[str, set[int]] = field(default_factory=dict)
    """Node name -> the inputs that it reads through QuantizeLinear and DequantizeLinear."""

    @property
    def int8(self) -> tuple[str, ...]:
        """The layers that are int8."""
        return tuple(name for name, why in self.layers.items() if not why)


def make_plan(
    model: ModelProto,
    ranges: Mapping[str, tuple[float, float]],
    float_nodes: Collection[str] = (),
) -> TrtPlan:
    """Plan int8 for a prepared model; a tensor without a range in ``ranges`` is not rounded.

    Rounded are the input of every layer that can be int8; of a sum behind such a layer, the other
    term; and the parts of a Concat that all have one range and feed such layers.
    """
    graph = model.graph
    known = initialisers(graph)
    plan = TrtPlan()
    for node in graph.node:
        if node.op_type not in LAYERS:
            continue
        why = CHOSEN if node.name in float_nodes else hindrance(node, known)
        if not why and node.input[0] not in ranges:
            why = "nothing is known of the values it reads"
        plan.layers[node.name] = why
        if not why:
            plan.rounded[node.name] = {0}
    _plan_sums(graph, ranges, known, float_nodes, plan)
    _plan_joins(graph, ranges, known, plan)
    return plan


def hindrance(node: NodeProto, known: Mapping[str, TensorProto]) -> str:
    """Why this layer is not int8; empty where it is. ``known`` are the constants of its graph."""
    from onnx import TensorProto

    weight = known.get(node.input[1])
    if weight is None and node.op_type == "MatMul" and node.input[0] not in known:
        return "both of its operands are activations"
    if weight is None or weight.data_type != TensorProto.FLOAT:
        return "its weights are computed, not constant"
    if node.input[0] in known:
        return "its input is constant"
    if node.op_type in ("Conv", "ConvTranspose"):
        return _hindered_convolution(node, weight)
    if len(weight.dims) != 2:
        return "its weights are no matrix"
    transposed = node.op_type == "Gemm" and attribute(node, "transB", 0)
    inner, outer = reversed(weight.dims) if transposed else weight.dims
    if node.op_type == "Gemm" and (
        attribute(node, "transA", 0) or attribute(node, "alpha", 1.0) != 1.0
    ):
        return "it transposes or scales its input"
    if min(inner, outer) < _LEAST_GEMM:
        return f"a product of {inner} by {outer} is faster in fp16 (under {_LEAST_GEMM})"
    return ""


def _hindered_convolution(node: NodeProto, weight: TensorProto) -> str:
    groups = int(attribute(node, "group", 1))
    if node.op_type == "ConvTranspose":
        return "transposed convolutions are left in fp16"
    if len(weight.dims) not in (4, 5):
        return "int8 convolutions have two or three dimensions"
    outputs, inputs = weight.dims[0], weight.dims[1] * groups
    if groups > 1 and (outputs % _GROUPED or inputs % _GROUPED):
        return f"grouped, with {inputs} to {outputs} channels: no multiples of {_GROUPED}"
    return ""


def _plan_sums(
    graph: GraphProto,
    ranges: Mapping[str, tuple[float, float]],
    known: Mapping[str, TensorProto],
    float_nodes: Collection[str],
    plan: TrtPlan,
) -> None:
    """Of a sum that fuses with the int8 layer before it, round the other term."""
    counts, made = consumers(graph), producers(graph)
    int8 = set(plan.int8)
    place = {node.name: index for index, node in enumerate(graph.node)}
    for node in graph.node:
        if node.op_type != "Add" or node.name in float_nodes or len(node.input) != 2:
            continue
        if any(name in known or name not in ranges for name in node.input):
            continue
        fusing = []
        for index, name in enumerate(node.input):
            maker = made.get(name)
            alone = counts[name] == 1 and node.input[0] != node.input[1]
            if maker is not None and alone and maker.name in int8 and maker.op_type == "Conv":
                fusing.append((place[maker.name], index))
        if fusing:
            # Where both terms come from layers, the later one takes the sum with it.
            plan.rounded[node.name] = {1 - max(fusing)[1]}


def _plan_joins(
    graph: GraphProto,
    ranges: Mapping[str, tuple[float, float]],
    known: Mapping[str, TensorProto],
    plan: TrtPlan,
) -> None:
    """Round what a Concat joins, where it is one scale: integers then pass through it."""
    wanted = {
        node.input[index]
        for node in graph.node
        for index in plan.rounded.get(node.name, ())
        if node.op_type != "Concat"
    }
    for node in reversed(graph.node):
        passed = any(name in wanted for name in node.output)
        if node.op_type in MOVING and passed:
            wanted.add(node.input[0])
        if node.op_type != "Concat" or not passed:
            continue
        if any(name in known or name not in ranges for name in (*node.input, *node.output)):
            continue
        if len({ranges[name] for name in (*node.input, *node.output)}) == 1:
            plan.rounded[node.name] = set(range(len(node.input)))
            wanted.update(node.input)
