"""Removal of dead channels from an ONNX graph: exact, and without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ..passes import flat_gathers, run_passes
from ..passes.computed_constants import fold
from ..passes.graph import attribute
from ..passes.static_shapes import settle as settle_shapes
from .analyse import settle
from .cut import Cut
from .dead import folds, living, read_weights, topped_up
from .sharing import equal_as_one, join, separate, shared_constants
from .values import Values, constant_channels
from .walk import check_finite, walk

if TYPE_CHECKING:
    from onnx import ModelProto

    from .context import Reader, Walk
    from .groups import Unprunable

    Array = np.ndarray[Any, Any]

__all__ = ["Compaction", "LayerCut", "compact", "resolve"]


@dataclass(frozen=True)
class LayerCut:
    """Outputs of one layer (filters or neurons) before and after."""

    layer: str
    before: int
    after: int

    def __str__(self) -> str:
        return f"{self.layer}: {self.before} to {self.after} channels"


@dataclass(frozen=True)
class Compaction:
    """What left the graph, and what could not be looked at."""

    layers: tuple[LayerCut, ...] = ()
    unprunable: tuple[Unprunable, ...] = ()
    spared: int = 0
    """Dead channel groups that stay so that layers keep a multiple of what was asked."""
    zeroed: tuple[LayerCut, ...] = ()
    """Layers that keep filters or neurons whose weights are all zero because something still needs
    their channels: a sum with a live one, an output of the graph, a parameter used elsewhere, an
    operator that makes another value of zero. ``after`` is how many of ``before`` are not zero."""

    @property
    def changed(self) -> bool:
        """Whether anything left the graph."""
        return bool(self.layers)


def compact(model: ModelProto, *, round_to: int = 1) -> Compaction:
    """Remove, in place, every channel and neuron whose loss leaves the outputs as they were.

    Channels that are zero or constant for every image, and those that only zero weights read, leave
    all layers they pass through; constants move into the bias of the layer that reads them, where
    it does not pad with zeros. ``round_to`` keeps so many dead ones that layers have a multiple of
    it. Raises InputError for NaN weights.
    """
    if not 1 <= round_to <= 1024:
        raise InputError(f"round_to = {round_to}: expected 1 to 1024")
    resolve(model)
    view, copies = _best_view(model, round_to)
    state, stays = view.state, view.stays
    layers = _layer_cuts(state, stays)
    zeroed = _zeroed(state, view.alive)
    removes = any(not stays[entry.labels].all() for entry in state.entries)
    if removes:
        _remove(state, view.values, stays)
    equal_as_one(model, copies)
    if removes:
        run_passes(model, ["dead_code"])
    spared = len(np.unique(view.roots[stays & ~view.alive]))
    return Compaction(layers, view.unprunable, spared, zeroed)


def resolve(model: ModelProto) -> None:
    """Store, in place, what is computed from constants or settled shapes, where the file does not
    grow."""
    run_passes(model, ["constants"])
    folded = (fold(model, grow=False), settle_shapes(model, grow=False), flat_gathers.apply(model))
    if any(result.changed for result in folded):
        equal_as_one(model, set(folded[0].changes))
        run_passes(model, ["dead_code"])


@dataclass(frozen=True)
class _View:
    """What one walk says: what of the graph lives, and what is to stay."""

    state: Walk
    unprunable: tuple[Unprunable, ...]
    values: Values
    roots: Array
    alive: Array
    stays: Array


def _view(model: ModelProto, round_to: int) -> _View:
    state = walk(model)
    check_finite(state)
    unprunable = settle(state)
    roots = state.union.table()
    values = constant_channels(state, state.constants)
    alive = living(state, values, roots)
    stays = topped_up(state, roots, alive, round_to)
    return _View(state, unprunable, values, roots, alive, stays)


def _best_view(model: ModelProto, round_to: int) -> tuple[_View, dict[str, str]]:
    """Of what is shared, let all, only vectors (biases, for the most part) or nothing be looked at
    reader by reader: whatever makes the smallest file. ``model`` is left so; the copies in it."""
    shared = shared_constants(model)
    vectors = [name for name, vector in shared.items() if vector]
    best, least = 0, None
    choices: list[list[str]] = [
        list(one) for one in dict.fromkeys((tuple(shared), tuple(vectors), ()))
    ]
    for index, names in enumerate(choices):
        copies = separate(model, names)
        view = _view(model, round_to)
        if len(choices) == 1:
            return view, copies
        size = _numbers_left(view, copies)
        if least is None or size < least:
            best, least = index, size
        join(model, copies)
    copies = separate(model, choices[best])
    return _view(model, round_to), copies


def _numbers_left(view: _View, copies: dict[str, str]) -> int:
    """How many numbers the constants will hold, those equal by then counted once."""
    masks: dict[str, list[tuple[int, bytes]]] = {}
    left = {name: np.array(value.shape) for name, value in view.state.constants.items()}
    for entry in view.state.entries:
        kept = view.stays[entry.labels]
        left[entry.parameter][entry.axis] = kept.sum()
        if not kept.all():
            masks.setdefault(entry.parameter, []).append((entry.axis, kept.tobytes()))
    counted = {
        (copies.get(name, name), *sorted(masks.get(name, ()))): int(np.prod(sizes))
        for name, sizes in left.items()
    }
    return sum(counted.values())


def _layer_cuts(state: Walk, stays: Array) -> tuple[LayerCut, ...]:
    cuts = []
    for layer in state.layers:
        for entry in state.entries:
            if entry.parameter == layer.weight and entry.role in ("makes", "scales"):
                before, after = len(entry.labels), int(stays[entry.labels].sum())
                if after < before:
                    name = layer.weight.removesuffix(".weight")
                    cuts.append(LayerCut(name, before, after))
                break
    return tuple(dict.fromkeys(cuts))


def _zeroed(state: Walk, alive: Array) -> tuple[LayerCut, ...]:
    """Layers with zero filters that cannot go."""
    cuts = []
    for reader in state.readers:
        made = np.atleast_1d(read_weights(reader, state.constants).any(axis=1))
        if (held := int((alive[reader.makes] & ~made).sum())) > 0:
            name = reader.weight.removesuffix(".weight")
            cuts.append(LayerCut(name, len(made), len(made) - held))
    return tuple(cuts)


def _remove(state: Walk, values: Values, stays: Array) -> None:
    from onnx import numpy_helper

    graph = state.model.graph
    cut = Cut(state, stays)
    for reader in state.readers:
        _fold(reader, values, cut)
    strangers = {node.output[0] for node, _ in state.strangers}
    for node in list(graph.node):
        operator = state.operator(node)
        if operator is not None and node.output[0] not in strangers:
            operator.shrink(node, cut)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    changed = {e.parameter for e in state.entries if not stays[e.labels].all()} | cut.rewritten
    for name in sorted(changed):
        weight = state.constants[name]
        for entry in state.entries:
            if entry.parameter == name:
                weight = weight.compress(stays[entry.labels], axis=entry.axis)
        tensors[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weight), name))
    _rebuild(state, cut)
    del graph.value_info[:]


def _fold(reader: Reader, values: Values, cut: Cut) -> None:
    """Move the constants of channels that leave into the reader's bias."""
    node = reader.node
    gone = ~cut.stays[reader.labels]
    if not gone.any() or not folds(reader):
        return
    axis = len(values.walk.shape(reader.tensor)) - 1 if node.op_type == "MatMul" else 1
    constants = np.where(gone, np.nan_to_num(values.channels(reader.tensor, axis)), 0.0)
    if not constants.any():
        return
    weight = cut.walk.constants[reader.weight]
    if node.op_type == "MatMul" or (node.op_type == "Gemm" and not attribute(node, "transB", 0)):
        weight = weight.T
    groups = attribute(node, "group", 1)
    per_output = np.repeat(constants.reshape(groups, -1), len(weight) // groups, axis=0)
    sums = weight.reshape(*weight.shape[:2], -1).sum(axis=2, dtype=np.float64)
    extra = (sums * per_output).sum(axis=1)
    if node.op_type == "Gemm":
        extra *= attribute(node, "alpha", 1.0) / attribute(node, "beta", 1.0)
    rows = reader.makes
    if node.op_type == "MatMul":
        cut.sums[node.output[0]] = extra[cut.stays[rows]].astype(weight.dtype)
        return
    name = node.input[2] if len(node.input) > 2 else ""
    if name and name not in cut.walk.shared:
        bias = cut.walk.constants[name]
        cut.walk.constants[name] = bias + extra.reshape(bias.shape).astype(bias.dtype)
        cut.rewritten.add(name)
        return
    if name:
        extra = extra + cut.walk.constants[name].reshape(-1)
    cut.set_constant(node, 2, extra[cut.stays[rows]].astype(weight.dtype))


def _rebuild(state: Walk, cut: Cut) -> None:
    """Take removed nodes out, and put in the sums that fully-connected layers without bias need."""
    from onnx import NodeProto, helper

    if not cut.removed and not cut.sums:
        return
    graph = state.model.graph
    nodes = []
    for node in graph.node:
        if node.output[0] in cut.removed:
            continue
        copy = NodeProto.FromString(node.SerializeToString())
        nodes.append(copy)
        if (extra := cut.sums.get(node.output[0])) is not None:
            output = copy.output[0]
            copy.output[0] = f"{output}/product"
            bias = cut.add_constant(output, extra)
            nodes.append(
                helper.make_node("Add", [copy.output[0], bias], [output], f"{output}/bias")
            )
    del graph.node[:]
    graph.node.extend(nodes)
