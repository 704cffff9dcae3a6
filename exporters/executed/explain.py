"""Say of every node of an int8 model whether it is computed in int8 or in float, and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from ..passes.graph import attribute, initialisers, producers
from ..qdq.floats import HELD
from ..qdq.plan import LAYERS, hindrance
from .graph import BORDERS, Executed, ExecutedNode
from .matching import Runs

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

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
    """What is int8 and what is float: as executed on this machine, or as the file says."""

    nodes: tuple[NodeReport, ...]
    """In the order of the graph, without its QuantizeLinear and DequantizeLinear."""
    int8_mac_share: float
    """Part of all multiply-accumulates that int8 kernels compute; 0 where there are none."""

    def to_json(self) -> dict[str, Any]:
        """The explanation as plain JSON values."""
        return asdict(self)


def explain(
    quantised: ModelProto,
    executed: Executed,
    *,
    float_nodes: Collection[str] = (),
    native: bool = True,
) -> Explanation:
    """Explain the int8 model ``quantised`` by what ONNX Runtime executes of it.

    ``executed`` is its `executed_graph`; ``float_nodes`` are the nodes that were named to stay
    float, if that is known. Not ``native`` is a model for other CPUs than this one, whose kernels
    are no witnesses: it is then explained by what the file says alone.
    """
    graph = quantised.graph
    written = _Written(graph)
    runs = Runs(graph, executed) if native else None
    macs = _macs(quantised)
    reports = []
    for node in graph.node:
        if node.op_type in BORDERS:
            continue
        run = runs.of(node) if runs else None
        if run is not None:
            int8 = not run.is_float
            why = _why_int8(run) if int8 else written.why_float(node, float_nodes)
        else:
            int8 = written.as_int8(node)
            if native:
                int8 = int8 or (node.op_type not in LAYERS and written.reads_integers(node))
                why = "ONNX Runtime took it into another node, or left it out"
            else:
                why = "written as int8" if int8 else written.why_float(node, float_nodes)
        name = node.name or node.output[0]
        reports.append(NodeReport(name, node.op_type, int8, why, macs.get(node.output[0], 0)))
    total = sum(report.macs for report in reports)
    share = sum(report.macs for report in reports if report.int8) / total if total else 0.0
    return Explanation(tuple(reports), share)


def _why_int8(run: ExecutedNode) -> str:
    if run.op.startswith(("Q", "MatMulInteger")):
        return f"runs as {run.op}"
    return f"{run.op} on the integers themselves"


class _Written:
    """What the file says of its nodes: where DequantizeLinear and QuantizeLinear are."""

    def __init__(self, graph: GraphProto) -> None:
        self._known = initialisers(graph)
        self._made = producers(graph)
        self._outputs = {value.name for value in graph.output}
        self._integers: set[str] = set()
        self._read_by: dict[str, set[str]] = {}
        for node in graph.node:
            for name in node.input:
                self._read_by.setdefault(name, set()).add(node.op_type)
            moves = node.op_type != "DequantizeLinear" and node.input
            if node.op_type == "QuantizeLinear" or (moves and node.input[0] in self._integers):
                self._integers.update(node.output)

    def as_int8(self, node: NodeProto) -> bool:
        """Whether a runtime that follows the file computes ``node`` on integers."""
        if node.input and node.input[0] in self._integers:
            return True
        if node.op_type in LAYERS:
            return self._dequantised(node.input[0]) and self._dequantised(node.input[1])
        rounded = all(
            self._read_by.get(name) == {"QuantizeLinear"} and name not in self._outputs
            for name in node.output
        )
        read = node.input if node.op_type in ("Add", "Concat", "Mul") else node.input[:1]
        return (
            rounded
            and all(self._dequantised(name) for name in read)
            and not hindrance(node, self._known)
        )

    def reads_integers(self, node: NodeProto) -> bool:
        """Whether the first of what ``node`` reads are integers, or made floats of integers."""
        name = node.input[0] if node.input else ""
        return name in self._integers or self._dequantised(name)

    def why_float(self, node: NodeProto, float_nodes: Collection[str]) -> str:
        """Why ``node`` is computed in float."""
        if node.name in float_nodes:
            return "chosen to stay float"
        if node.op_type == "Sum" and node.output[0].endswith(HELD):
            return "keeps what is before it in float"
        if self.as_int8(node):
            return "written as int8, but this ONNX Runtime does not compute it so"
        reason = hindrance(node, self._known)
        if reason:
            return reason
        if node.op_type in LAYERS:
            return "chosen to stay float: its weights are stored in float"
        return "what it reads or what reads it is float; int8 alone between them gains nothing"

    def _dequantised(self, name: str) -> bool:
        return name in self._made and self._made[name].op_type == "DequantizeLinear"


def _macs(model: ModelProto) -> dict[str, int]:
    """First output -> multiply-accumulates for one image, of the layers whose shapes are known."""
    from ...runtimes.onnx_model.shapes import graph_inputs, infer_shapes

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
