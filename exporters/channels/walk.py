"""One walk over an ONNX graph that labels the channels of every tensor it passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...runtimes.onnx_model.shapes import graph_inputs
from ..passes.channel_moves import find_shuffles
from ..passes.graph import subgraphs
from .context import NotFollowedError, Walk
from .labels import PINNED
from .operators.moves import Shuffle
from .shapes import OTHER_SIDE, tensor_shapes

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from .operators.base import Operator

__all__ = ["check_finite", "walk"]


def walk(model: ModelProto) -> Walk:
    """Label all channels of a graph in topological order."""
    from onnx import numpy_helper

    graph = model.graph
    overridden = {value.name for value in graph.input}
    state = Walk(
        model,
        tensor_shapes(model),
        {
            tensor.name: numpy_helper.to_array(tensor)
            for tensor in graph.initializer
            if tensor.name not in overridden
        },
    )
    if any(None in spec.shape for spec in graph_inputs(model)):
        state.other_shapes = tensor_shapes(model, batch=2, side=OTHER_SIDE)
    for last, (nodes, order) in find_shuffles(model, state.shapes).items():
        shuffle = Shuffle(nodes[0].input[0], last, order)
        state.special.update({node.output[0]: shuffle for node in nodes})
    for node in graph.node:
        operator = state.operator(node)
        try:
            if operator is None or _reads_channels_otherwise(operator, node, state):
                raise NotFollowedError(node.op_type)
            operator.link(node, state)
        except NotFollowedError:
            _give_up(node, state)
    _pin_the_rest(state)
    return state


def _reads_channels_otherwise(operator: Operator, node: NodeProto, state: Walk) -> bool:
    """Whether channels enter where the operator does not expect any: as indices, as a size."""
    expected = operator.data(node)
    return any(
        (state.labels[name] != PINNED).any()
        for name in node.input
        if name in state.labels and name not in expected
    )


def _pin_the_rest(state: Walk) -> None:
    """Pin the graph's outputs and parameters that somebody reads in another way as well."""
    outputs = {value.name for value in state.model.graph.output}
    for name in outputs & set(state.labels):
        state.union.join(state.labels[name], np.array(PINNED))
    readers: dict[str, set[str]] = {}
    for top in subgraphs(state.model.graph):
        for node in top.node:
            for name in node.input:
                readers.setdefault(name, set()).add(node.output[0])
    state.shared = outputs | {name for name, nodes in readers.items() if len(nodes) > 1}
    for entry in state.entries:
        if entry.parameter in outputs or readers[entry.parameter] - state.users[entry.parameter]:
            state.union.join(entry.labels, np.array(PINNED))


def _give_up(node: NodeProto, state: Walk) -> None:
    """Pin all that the node reads, in nested graphs too; what it makes has no labels."""
    names = list(node.input)
    for item in node.attribute:
        nested = [item.g] if item.HasField("g") else list(item.graphs)
        for top in nested:
            for inner in subgraphs(top):
                names += [name for one in inner.node for name in one.input]
                names += [value.name for value in inner.output]
    touched = [state.labels[name] for name in names if name in state.labels]
    state.strangers.append((node, touched))
    for name in node.output:
        state.labels.pop(name, None)


def check_finite(state: Walk) -> None:
    """Raise InputError, naming the parameter, where a weight is NaN or infinite."""
    for name, value in state.constants.items():
        if value.dtype.kind == "f" and value.ndim and not np.isfinite(value).all():
            raise InputError(f"parameter {name} holds NaN or infinite weights; retrain the network")
