"""How long each layer of a network takes: what ONNX Runtime executes, traced back to the layers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ...errors import InputError
from ..ort.names import plain_name, unmarked
from ..workers.child_process import ChildProcess
from .costs import LayerCost, layer_costs
from .timed_nodes import TimedNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import onnx

    from ...model_card import InputSpec

__all__ = ["OTHER", "by_layer", "time_layers"]

OTHER = "layout changes"
"""The time of nodes that no layer can be named for: changes of layout and of shape."""

_LAYOUT = ("ReorderInput", "ReorderOutput")
_AS_WRITTEN = ("Cast", "DequantizeLinear", "QuantizeLinear", "Transpose")
"""The optimisers put these in by themselves, too: only one that the model has is a layer's."""

_PRODUCTS = ("Conv", "Gemm", "MatMul")


def time_layers(
    path: Path,
    spec: InputSpec,
    *,
    threads: int,
    batch_size: int,
    cpus: Sequence[int] | None = None,
) -> dict[str, float]:
    """Milliseconds of one inference on the CPU by layer, with `OTHER` for what is none's.

    ONNX Runtime's profiler in a fresh process, bound to ``cpus`` if they are given; medians over
    one to two seconds of runs on noise.
    Layers are those of `layer_costs`, in their order; one that is computed within another takes 0.
    What the profiler adds is taken off as far as it can be told, so that all of it adds up to about
    the latency; to less on a busy machine, where whole inferences wait for a core and most of their
    nodes do not. ``path`` is an ``.onnx`` file; InputError for any other, and for one that ONNX
    Runtime refuses; MissingError where that is not installed.
    """
    from ..onnx_model.files import load_model

    if path.suffix.lower() != ".onnx":
        raise InputError(f"{path}: only .onnx files can be profiled; leave out --profile")
    model = load_model(path)
    costs = layer_costs(model, (spec.channels, spec.height, spec.width), batch_size)
    with ChildProcess("runtimes.roofline.child", path, threads=threads) as child:
        found, _ = child.ask(
            "time",
            path=str(path),
            threads=threads,
            cpus=None if cpus is None else list(cpus),
            batch_size=batch_size,
            spec=asdict(spec),
        )
    return by_layer(model.graph, costs, [TimedNode.from_json(node) for node in found["nodes"]])


def by_layer(
    graph: onnx.GraphProto, costs: Sequence[LayerCost], timed: Sequence[TimedNode]
) -> dict[str, float]:
    """Milliseconds by layer of ``graph``, and `OTHER`, from those of the nodes it became."""
    tracer = _Tracer(graph, costs)
    times = dict.fromkeys((cost.name for cost in costs), 0.0)
    unnamed = 0.0
    for node, name in zip(timed, tracer.trace(timed), strict=True):
        if name is None:
            unnamed += node.ms
        else:
            times[name] += node.ms
    return {**times, OTHER: unnamed}


class _Tracer:
    """Finds the layer that an executed node is part of."""

    def __init__(self, graph: onnx.GraphProto, costs: Sequence[LayerCost]) -> None:
        self._costs = {cost.name: cost for cost in costs}
        self._layer_of = {name: cost.name for cost in costs for name in cost.makes}
        self._makers = {name: node for node in graph.node for name in node.output if name}
        self._named = {node.name: node for node in graph.node if node.name}

    def trace(self, nodes: Sequence[TimedNode]) -> list[str | None]:
        """The name of the layer of each node; None where it has none."""
        origins = [self._origin(node) for node in nodes]
        layers = [None if node is None else self._layer(node) for node in origins]
        own = {name for name in layers if name is not None}
        made_by: dict[str, str] = {}
        readers: dict[str, set[str | None]] = {}
        for node, layer in zip(nodes, layers, strict=True):
            for source in node.inputs:
                readers.setdefault(source, set()).add(layer)
        for index, node in enumerate(nodes):
            name = layers[index]
            if name is not None and _is_product(node.op) and not _is_product(self._costs[name].op):
                # A convolution that takes in a sum and its activation is named after these.
                layers[index] = self._product_before(name, own) or name
            elif origins[index] is None and node.op not in (*_LAYOUT, *_AS_WRITTEN):
                before = [made_by[source] for source in node.inputs if source in made_by]
                after_it = {name for made in node.outputs for name in readers.get(made, ())}
                layers[index] = self._taken_apart(before, own, after_it)
            after = layers[index] or next((made_by[n] for n in node.inputs if n in made_by), None)
            made_by.update((made, after) for made in node.outputs if after is not None)
        return layers

    def _taken_apart(
        self, before: Sequence[str], own: Iterable[str], after: set[str | None]
    ) -> str | None:
        """The layer of a nameless node, one of several that an operator was taken apart into.

        ``before`` are the layers that it reads, ``after`` those that read it. It belongs to one of
        the former that has more nodes than its first, else to one that reads them and has no node
        of its own, else to the only one that reads it.
        """
        for name in before:
            if len(self._costs[name].makes) > 1:
                return name
        made = {tensor for name in before for tensor in self._costs[name].makes}
        for cost in self._costs.values():
            reads = {name for tensor in cost.makes for name in self._makers[tensor].input}
            if cost.name not in own and made & reads:
                return cost.name
        return next(iter(after)) if len(after) == 1 else None

    def _origin(self, node: TimedNode) -> onnx.NodeProto | None:
        """The node of the model that an executed one is, or ends with."""
        if node.op in _LAYOUT:
            return None
        name = plain_name(node.name)
        found: list[onnx.NodeProto | None] = [self._named.get(name), self._makers.get(name)]
        found += [self._makers.get(unmarked(output)) for output in node.outputs]
        for origin in found:
            if origin is not None and (node.op not in _AS_WRITTEN or origin.op_type == node.op):
                return origin
        return None

    def _layer(self, node: onnx.NodeProto) -> str | None:
        return next((self._layer_of[name] for name in node.output if name in self._layer_of), None)

    def _product_before(self, name: str, own: Iterable[str]) -> str | None:
        """The last convolution or product that a layer reads and that is not executed by itself."""
        found = None
        for made in self._costs[name].makes:
            for source in self._makers[made].input:
                before = self._layer_of.get(source)
                if before and before not in own and _is_product(self._costs[before].op):
                    found = before
        return found


def _is_product(op: str) -> bool:
    return any(word in op for word in _PRODUCTS)
