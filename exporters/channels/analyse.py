"""Channel groups of an ONNX graph: what lives or dies together, and what cannot go at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .dead import harmless
from .groups import ChannelGroups, Layer, ParameterAxis, Unprunable
from .labels import PINNED
from .values import constant_channels
from .walk import walk

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from .context import Walk

    Array = np.ndarray[Any, Any]

__all__ = ["analyse", "settle"]


def analyse(model: ModelProto) -> ChannelGroups:
    """The channel groups of ``model``, which is not changed.

    Constants must be initialisers, not nodes, and the nodes in topological order. The weights do
    not matter, only what the graph does with them.
    """
    state = walk(model)
    unprunable = [*settle(state), *_settle_constants(state)]
    table = state.union.table()
    roots = np.concatenate([np.zeros(1, np.int64), *(table[e.labels] for e in state.entries)])
    firsts = np.sort(np.unique(roots, return_index=True)[1])
    numbered = [root for root in roots[firsts].tolist() if root != PINNED]
    number = np.full(len(table), -1, np.int64)
    number[numbered] = np.arange(len(numbered))
    axes = tuple(
        ParameterAxis(e.parameter, e.axis, e.role, number[table[e.labels]]) for e in state.entries
    )
    families, blocks, widths = _kinship(state, axes, len(numbered))
    return ChannelGroups(
        count=len(numbered),
        axes=axes,
        families=families,
        blocks=blocks,
        widths=widths,
        layers=tuple(_layers(state)),
        unprunable=tuple(unprunable),
    )


def settle(state: Walk) -> tuple[Unprunable, ...]:
    """Pin what strange nodes touch; one line for each that costs channels."""
    found = []
    for node, touched in state.strangers:
        table = state.union.table() if touched else np.zeros(0, np.int64)
        roots = {root for labels in touched for root in np.unique(table[labels]).tolist()}
        if roots := roots - {PINNED}:
            state.union.join(np.array(sorted(roots)), np.array(PINNED))
            found.append(Unprunable(node.op_type, _name(node), len(roots)))
    return tuple(found)


def _settle_constants(state: Walk) -> list[Unprunable]:
    """Pin groups that would still say something when all their parameters are zero.

    A sum with a constant, or a sigmoid, makes another value of zero. A reader with a bias can take
    that over, one that pads with zeros cannot.
    """
    table = state.union.table()
    zeroed = dict(state.constants)
    for entry in state.entries:
        if entry.role in ("makes", "scales"):
            stays = table[entry.labels] == PINNED
            shape = [1] * zeroed[entry.parameter].ndim
            shape[entry.axis] = -1
            zeroed[entry.parameter] = zeroed[entry.parameter] * stays.reshape(shape)
    values = constant_channels(state, zeroed)
    found = []
    for reader in state.readers:
        roots = table[reader.labels]
        heard = (roots != PINNED) & ~harmless(reader, values)
        if heard.any():
            state.union.join(reader.labels[heard], np.array(PINNED))
            count = len(np.unique(roots[heard]))
            found.append(Unprunable(f"padded {reader.node.op_type}", _name(reader.node), count))
    return found


def _kinship(
    state: Walk, axes: tuple[ParameterAxis, ...], count: int
) -> tuple[Array, Array, Array]:
    """Families, blocks and widths of all groups."""
    weights = {reader.weight for reader in state.readers}
    makers: list[list[int]] = [[] for _ in range(count)]
    widths = np.ones(count, np.int64)
    for index, axis in enumerate(axes):
        if axis.role == "makes" and axis.parameter in weights:
            groups, sizes = np.unique(axis.groups[axis.groups >= 0], return_counts=True)
            widths[groups] = sizes
            for group in groups.tolist():
                makers[group].append(index)
    sets = [tuple(made) for made in makers]
    known = {made: number for number, made in enumerate(dict.fromkeys(sets))}
    family = {index: index for made in known for index in made}

    def top(index: int) -> int:
        while family[index] != index:
            index = family[index]
        return index

    for made in known:
        for index in made[1:]:
            family[top(index)] = top(made[0])
    tops = [top(made[0]) if made else -1 for made in sets]
    order = {one: number for number, one in enumerate(dict.fromkeys(tops))}
    return (
        np.array([order[one] for one in tops], np.int64),
        np.array([known[made] for made in sets], np.int64),
        widths,
    )


def _layers(state: Walk) -> list[Layer]:
    norms = {node.input[0]: node for node in state.model.graph.node if _is_norm(node)}
    readers: dict[str, int] = {}
    for node in state.model.graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    layers = []
    for layer in state.layers:
        output = layer.node.output[0]
        norm = norms.get(output) if readers.get(output) == 1 else None
        layers.append(
            Layer(
                name=layer.weight.removesuffix(".weight"),
                weight=layer.weight,
                bias=layer.bias,
                norm=None if norm is None else norm.input[1].removesuffix(".weight"),
                depthwise=layer.depthwise,
            )
        )
    return layers


def _is_norm(node: NodeProto) -> bool:
    return node.op_type == "BatchNormalization"


def _name(node: NodeProto) -> str:
    return str(node.name or node.output[0])
