"""Pooling, reductions, padding and resizing: they work on each channel's pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...passes.graph import attribute
from ..context import NotFollowedError
from ..labels import varying
from .base import Operator
from .layers import padded

if TYPE_CHECKING:
    from onnx import NodeProto

    from ..context import Walk
    from ..cut import Cut
    from ..values import Values

    Array = np.ndarray[Any, Any]

__all__ = ["Pad", "Pool", "Reduce", "Resize"]


class Pool(Operator):
    """Maxima and averages over pixels."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        labels = walk.labelled(node.input[0])
        walk.shape(node.output[0])
        if any(axis > 1 for axis in varying(labels)) or any(node.output[1:]):
            raise NotFollowedError(node.op_type)
        walk.labels[node.output[0]] = labels

    def evaluate(self, node: NodeProto, values: Values) -> None:
        found = values.of(node.input[0])
        if any(axis > 1 for axis in varying(found)):
            return
        if (
            node.op_type == "AveragePool"
            and attribute(node, "count_include_pad", 0)
            and padded(node)
        ):
            found = np.where(found == 0, found, np.nan)
        values.note(node.output[0], found)


class Reduce(Operator):
    """ReduceMean, ReduceMax, ReduceMin and ReduceSum over pixels."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        labels = walk.labelled(node.input[0])
        axes = _axes(node, walk)
        if set(axes) & set(varying(labels)):
            raise NotFollowedError(node.op_type)
        walk.labels[node.output[0]] = _without(node, labels, axes)

    def evaluate(self, node: NodeProto, values: Values) -> None:
        found = values.of(node.input[0])
        axes = _axes(node, values.walk)
        if set(axes) & set(varying(found)):
            return
        if node.op_type == "ReduceSum":
            shape = values.walk.shape(node.input[0])
            found = found * np.prod([shape[axis] for axis in axes])
            if set(axes) & set(values.walk.open_axes(node.input[0])):
                found = np.where(found == 0, found, np.nan)
        values.note(node.output[0], _without(node, found, axes))


class Pad(Operator):
    """Padding; of channels too, whose new ones stay."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        labels = walk.labelled(node.input[0])
        before, after = _pads(node, walk)
        constant = attribute(node, "mode", b"constant") == b"constant"
        for axis in varying(labels):
            grows = before[axis] or after[axis]
            if min(before[axis], after[axis]) < 0 or (grows and not constant):
                raise NotFollowedError(node.op_type)
        widths = [
            (before[axis], after[axis]) if labels.shape[axis] > 1 else (0, 0)
            for axis in range(labels.ndim)
        ]
        walk.relabel(node.output[0], np.pad(labels, widths))

    def evaluate(self, node: NodeProto, values: Values) -> None:
        found = values.of(node.input[0])
        before, after = _pads(node, values.walk)
        labels = values.walk.labelled(node.input[0])
        grown = [axis for axis in range(found.ndim) if before[axis] or after[axis]]
        pixels = [axis for axis in grown if labels.shape[axis] == 1]
        if set(pixels) & set(varying(found)):
            return
        if attribute(node, "mode", b"constant") == b"constant":
            padding = _padding(node, values)
            if pixels:
                found = np.where(found == padding, found, np.nan)
            for axis in set(grown) - set(pixels):
                found = np.repeat(found, labels.shape[axis] // found.shape[axis], axis)
                widths = [(0, 0)] * found.ndim
                widths[axis] = (before[axis], after[axis])
                found = np.pad(found.astype(np.float64), widths, constant_values=padding)
        values.note(node.output[0], found)


class Resize(Operator):
    """Resize and Upsample of pixels."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        labels = walk.labelled(node.input[0])
        before, after = walk.shape(node.input[0]), walk.shape(node.output[0])
        if any(before[axis] != after[axis] for axis in varying(labels)):
            raise NotFollowedError(node.op_type)
        if attribute(node, "coordinate_transformation_mode") == b"tf_crop_and_resize":
            raise NotFollowedError(node.op_type)
        if varying(labels) and len(node.input) > 3 and node.input[3]:
            walk.constant(node.input[3])
        walk.labels[node.output[0]] = labels

    def evaluate(self, node: NodeProto, values: Values) -> None:
        found = values.of(node.input[0])
        if not any(axis > 1 for axis in varying(found)):
            values.note(node.output[0], found)

    def shrink(self, node: NodeProto, cut: Cut) -> None:
        if cut.touches(node.input[0]) and len(node.input) > 3 and node.input[3]:
            sizes = cut.walk.constant(node.input[3]).copy()
            shape = cut.shape(node.output[0])
            axes = [axis % len(shape) for axis in attribute(node, "axes", range(len(shape)))]
            for axis in varying(cut.walk.labelled(node.output[0])):
                if axis in axes:
                    sizes[axes.index(axis)] = shape[axis]
            cut.set_constant(node, 3, sizes)


def _axes(node: NodeProto, walk: Walk) -> tuple[int, ...]:
    rank = len(walk.shape(node.input[0]))
    walk.shape(node.output[0])
    if len(node.input) > 1 and node.input[1]:
        axes = walk.constant(node.input[1]).reshape(-1).tolist()
    else:
        axes = list(attribute(node, "axes", ()))
    if not axes and not attribute(node, "noop_with_empty_axes", 0):
        axes = list(range(rank))
    return tuple(axis % rank for axis in axes)


def _without(node: NodeProto, array: Array, axes: tuple[int, ...]) -> Array:
    return array if attribute(node, "keepdims", 1) else array.squeeze(axes)


def _pads(node: NodeProto, walk: Walk) -> tuple[list[int], list[int]]:
    """Positions added before and after each axis."""
    rank = len(walk.shape(node.input[0]))
    walk.shape(node.output[0])
    if len(node.input) > 1:
        given = walk.constant(node.input[1]).reshape(-1).tolist()
        if len(node.input) > 3 and node.input[3]:
            axes = [axis % rank for axis in walk.constant(node.input[3]).reshape(-1).tolist()]
        else:
            axes = list(range(rank))
    else:
        given, axes = list(attribute(node, "pads")), list(range(rank))
    before, after = [0] * rank, [0] * rank
    for index, axis in enumerate(axes):
        before[axis], after[axis] = given[index], given[len(axes) + index]
    return before, after


def _padding(node: NodeProto, values: Values) -> float:
    """The value of padded positions; NaN where it is not constant."""
    if len(node.input) > 2 and node.input[2]:
        given = values.weights.get(node.input[2])
        return np.nan if given is None else float(given.reshape(-1)[0])
    return float(attribute(node, "value", 0.0))
