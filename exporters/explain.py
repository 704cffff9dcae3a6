"""Say of every node of an int8 model whether it is computed in int8 or in float, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from .executed import BORDERS, Executed, ExecutedNode
from .passes.graph import attribute, initialisers, producers
from .qdq_plan import LAYERS, hindrance

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

__all__ = ["Explanation", "NodeReport", "explain"]


@dataclass(frozen=True)
class NodeReport:
    """One node of the int8 model."""

    name: str
    op: str
    int8: bool
    """Whether it is computed on 8-bit integers."""
    why: str
    macs: int
    """Multiply-accumulates for one image; 0 where it has none, or they cannot be told."""


@dataclass(frozen=True)
class Explanation:
    """What is int8 and what is float, as ONNX Runtime executes it on this machine."""

    nodes: tuple[NodeReport, ...]
    """In the order of the graph, without its QuantizeLinear and DequantizeLinear."""
    int8_mac_share: float
    """Part of all multiply-accumulates that int8 kernels compute; 0 where there are none."""

    def to_json(self) -> dict[str, Any]:
        """The explanation as plain JSON values."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """The share, then a line for each node."""
        yield f"{self.int8_mac_share:.1%} of the MACs in int8"
        for node in self.nodes:
            yield f"{'int8' if node.int8 else 'float':<5} {node.op} {node.name}: {node.why}"


def explain(
    quantised: ModelProto, executed: Executed, *, float_nodes: Collection[str] = ()
) -> Explanation:
    """Explain the int8 model ``quantised`` by what ONNX Runtime executes of it.

    ``executed`` is its `executed_graph`; ``float_nodes`` are the nodes that were named to stay
    float, if that is known.
    """
    graph = quantised.graph
    known = initialisers(graph)
    made = producers(graph)
    rounded = {n.input[0]: n.output[0] for n in graph.node if n.op_type == "QuantizeLinear"}
    runs = _Runs(executed)
    macs = _macs(quantised)
    reports = []
    for node in graph.node:
        if node.op_type in BORDERS:
            continue
        run = runs.of(node, rounded.get(node.output[0], ""))
        if run is not None and not run.is_float:
            int8, why = True, _why_int8(run)
        elif run is not None:
            int8, why = False, _why_float(node, known, made, float_nodes)
        else:
            int8 = _reads_integers(node, made)
            why = "left out by ONNX Runtime: part of the node before it, or without effect"
        name = node.name or node.output[0]
        reports.append(NodeReport(name, node.op_type, int8, why, macs.get(node.output[0], 0)))
    total = sum(report.macs for report in reports)
    share = sum(report.macs for report in reports if report.int8) / total if total else 0.0
    return Explanation(tuple(reports), share)


class _Runs:
    """Finds the executed node that a node of the model became."""

    def __init__(self, executed: Executed) -> None:
        nodes = [node for node in executed.nodes if node.op not in BORDERS]
        self._by_name = {node.name: node for node in nodes if node.name}
        self._by_output = {name: node for node in nodes for name in node.outputs}

    def of(self, node: NodeProto, rounded: str) -> ExecutedNode | None:
        if node.name in self._by_name:
            return self._by_name[node.name]
        for name in (*node.output, rounded):
            found = self._by_output.get(name) or self._by_name.get(name)
            if found is not None:
                return found
        return None


def _why_int8(run: ExecutedNode) -> str:
    if run.op.startswith(("Q", "MatMulInteger")):
        return f"runs as {run.op}"
    return f"{run.op} on the integers themselves"


def _why_float(
    node: NodeProto,
    known: Mapping[str, TensorProto],
    made: Mapping[str, NodeProto],
    float_nodes: Collection[str],
) -> str:
    if node.name in float_nodes:
        return "chosen to stay float"
    if _reads_integers(node, made) and _weighs_integers(node, made):
        return "written as int8, but this ONNX Runtime does not compute it so"
    reason = hindrance(node, known)
    if reason:
        return reason
    if node.op_type in LAYERS:
        return "chosen to stay float: its weights are stored in float"
    return "what it reads is float, and int8 alone between float layers gains nothing"


def _reads_integers(node: NodeProto, made: Mapping[str, NodeProto]) -> bool:
    before = made.get(node.input[0]) if node.input else None
    return before is not None and before.op_type in ("DequantizeLinear", "QuantizeLinear")


def _weighs_integers(node: NodeProto, made: Mapping[str, NodeProto]) -> bool:
    if node.op_type not in LAYERS:
        return False
    weight = made.get(node.input[1])
    return weight is not None and weight.op_type == "DequantizeLinear"


def _macs(model: ModelProto) -> dict[str, int]:
    """First output -> multiply-accumulates for one image, of the layers whose shapes are known."""
    from ..runtimes.onnx_shapes import graph_inputs, infer_shapes

    feeds = {
        spec.name: (1, *(size or 1 for size in spec.shape[1:]))
        for spec in graph_inputs(model)
        if spec.shape
    }
    shapes = infer_shapes(model, feeds)
    found = {}
    for node in model.graph.node:
        if node.op_type not in (*LAYERS, "ConvTranspose"):
            continue
        left, right = (shapes.get(name) for name in node.input[:2])
        output = shapes.get(node.output[0])
        sizes = (*(left or (None,)), *(right or (None,)), *(output or (None,)))
        if not left or not right or not output or None in sizes:
            continue
        if node.op_type == "Conv":
            count = prod(_known(output)) * prod(_known(right)[1:])
        elif node.op_type == "ConvTranspose":
            count = prod(_known(left)) * prod(_known(right)[1:])
        else:
            inner = -2 if attribute(node, "transA", 0) else -1
            count = prod(_known(output)) * _known(left)[inner]
        found[node.output[0]] = count
    return found


def _known(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(size or 0 for size in shape)
