"""Operators that work element by element: activations, sums, products, gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...passes.graph import attribute
from ..context import NotFollowedError
from ..labels import PINNED
from ..reference import run_node
from .base import Operator
from .layers import has

if TYPE_CHECKING:
    from onnx import NodeProto

    from ..context import Walk
    from ..values import Values

    Array = np.ndarray[Any, Any]

__all__ = ["Binary", "Unary", "Where", "leaky", "times"]


_FLOATS = (1, 10, 11, 16)
"""Float, float16, double and bfloat16, as Cast names them. Whole numbers divide otherwise."""


class Unary(Operator):
    """Functions of one element; further inputs (Clip's limits) must be constant scalars."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        if any(walk.constant(name).size != 1 for name in node.input[1:] if name):
            raise NotFollowedError(node.op_type)
        if any(node.output[1:]) and node.op_type != "Dropout":
            raise NotFollowedError(node.op_type)
        if node.op_type == "Cast" and attribute(node, "to") not in _FLOATS:
            raise NotFollowedError(node.op_type)
        if node.op_type == "Dropout" and has(node, 2) and walk.constant(node.input[2]).any():
            raise NotFollowedError(node.op_type)
        for name in filter(None, node.output):
            walk.labels[name] = walk.labelled(node.input[0])

    def evaluate(self, node: NodeProto, values: Values) -> None:
        found = values.of(node.input[0])
        known = ~np.isnan(found)
        if not known.any():
            return
        if node.op_type in ("Dropout", "Identity"):
            values.note(node.output[0], found)
            return
        inputs: list[Array | None] = [found[known].astype(np.float32)]
        inputs += [values.of(name) if name else None for name in node.input[1:]]
        result = np.full(found.shape, np.nan)
        result[known] = run_node(node, inputs, values.walk.opset)
        values.note(node.output[0], result)


class Binary(Operator):
    """Functions of two elements, or more, with broadcasting: residual sums, gates, scales."""

    def __init__(self, function: Any, *, role: str = "scales") -> None:
        self._function = function
        self._role = role

    def data(self, node: NodeProto) -> list[str]:
        return list(node.input)

    def link(self, node: NodeProto, walk: Walk) -> None:
        names = self.data(node)
        shape = walk.shape(node.output[0])
        rank = len(shape)
        tensors = [name for name in names if name not in walk.constants]
        aligned = [_aligned(walk.labelled(name), rank) for name in tensors]
        sizes = [(1,) * (rank - len(walk.shape(n))) + walk.shape(n) for n in tensors]
        if not tensors or any(
            walk.constants[n].ndim > rank for n in node.input if n in walk.constants
        ):
            raise NotFollowedError(node.op_type)
        result: Array | None = None
        for index, labels in enumerate(aligned):
            others = [o for i, o in enumerate(aligned) if i != index]
            if _stretched(sizes[index], others, shape):
                # One channel that meets many: it cannot go, and they need not go with it.
                walk.union.join(labels, np.array(PINNED))
                continue
            if result is None:
                result = labels
            else:
                walk.union.join(result, labels)
                result = np.broadcast_arrays(result, labels)[0]
        if result is None:
            raise NotFollowedError(node.op_type)
        walk.relabel(node.output[0], result)
        final = walk.labels[node.output[0]]
        for name in names:
            if name in walk.constants:
                self._enter(node, name, final, walk, self._role)

    def _enter(self, node: NodeProto, name: str, labels: Array, walk: Walk, role: str) -> None:
        constant = walk.constants[name]
        offset = labels.ndim - constant.ndim
        for axis, size in enumerate(constant.shape):
            if size > 1 and labels.shape[axis + offset] > 1:
                walk.enter(node, name, axis, role, labels.reshape(-1))

    def evaluate(self, node: NodeProto, values: Values) -> None:
        rank = len(values.walk.shape(node.output[0]))
        arrays = [_aligned(values.of(name), rank).astype(np.float64) for name in node.input]
        # Spatial constants would take a whole feature map; channels are what is asked for.
        if all(np.isnan(array).all() for array in arrays):
            return
        result = arrays[0]
        for array in arrays[1:]:
            result = self._function(result, array)
        if node.op_type == "Mean":
            result = result / len(arrays)
        values.note(node.output[0], np.where(np.isfinite(result), result, np.nan))


class Where(Binary):
    """A choice between two tensors, pixel by pixel, by a constant condition."""

    def __init__(self) -> None:
        super().__init__(np.add)

    def link(self, node: NodeProto, walk: Walk) -> None:
        walk.constant(node.input[0])
        super().link(node, walk)
        self._enter(node, node.input[0], walk.labels[node.output[0]], walk, "follows")

    def data(self, node: NodeProto) -> list[str]:
        return list(node.input[1:])

    def evaluate(self, node: NodeProto, values: Values) -> None:
        rank = len(values.walk.shape(node.output[0]))
        first, second = (_aligned(values.of(name), rank) for name in self.data(node))
        values.note(node.output[0], np.where(first == second, first, np.nan))


def times(first: Array, second: Array) -> Array:
    """A product in which zero times anything is zero."""
    return np.array(np.where((first == 0) | (second == 0), 0.0, first * second))


def leaky(first: Array, slope: Array) -> Array:
    """PRelu."""
    return np.array(np.where(first < 0, first * slope, first))


def _aligned(array: Array, rank: int) -> Array:
    aligned: Array = array.reshape((1,) * (rank - array.ndim) + array.shape)
    return aligned


def _stretched(sizes: tuple[int, ...], others: list[Array], shape: tuple[int, ...]) -> bool:
    """Whether a tensor with one position along an axis meets another's many channels there."""
    return any(
        sizes[axis] == 1 and shape[axis] > 1 and any(other.shape[axis] > 1 for other in others)
        for axis in range(len(shape))
    )
