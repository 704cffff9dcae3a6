"""Layers with weights: convolutions, fully-connected layers, normalisations by channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...passes.graph import attribute
from ..context import LayerNode, NotFollowedError, Reader
from ..labels import along
from .base import Operator

if TYPE_CHECKING:
    from onnx import NodeProto

    from ..context import Walk
    from ..cut import Cut
    from ..values import Values

    Array = np.ndarray[Any, Any]

__all__ = ["BatchNorm", "Conv", "ConvTranspose", "Gemm", "InstanceNorm", "MatMul", "pads"]


class Conv(Operator):
    """Convolutions of one group, of several, and depthwise ones.

    In a convolution of several groups the k-th channel of every group is one channel: all groups
    must stay equally wide.
    """

    def link(self, node: NodeProto, walk: Walk) -> None:
        weight = walk.constant(node.input[1])
        bias = _bias(node, 2, walk)
        rank = len(walk.shape(node.output[0]))
        channels = walk.shape(node.input[0])[1]
        read = _channels(walk, node.input[0], 1, channels)
        groups = attribute(node, "group", 1)
        made, width = weight.shape[0], weight.shape[1]
        if weight.ndim < 3 or width * groups != channels or made % groups:
            raise NotFollowedError(node.op_type)
        depthwise = width == 1 and groups > 1
        if depthwise:
            filters = np.repeat(read, made // groups)
        else:
            filters = walk.union.fresh(made)
            if groups > 1:
                walk.union.join(filters.reshape(groups, -1)[:1], filters.reshape(groups, -1))
                walk.union.join(read.reshape(groups, -1)[:1], read.reshape(groups, -1))
            walk.enter(node, node.input[1], 1, "reads", read[:width])
            walk.readers.append(Reader(node, node.input[0], node.input[1], read, filters))
        role = "scales" if depthwise else "makes"
        walk.enter(node, node.input[1], 0, role, filters)
        if bias:
            walk.enter(node, bias, 0, role, filters)
        walk.layers.append(LayerNode(node, node.input[1], bias, depthwise))
        walk.relabel(node.output[0], filters.reshape(1, -1, *[1] * (rank - 2)))

    def evaluate(self, node: NodeProto, values: Values) -> None:
        weight = values.of(node.input[1])
        bias = values.of(node.input[2]) if has(node, 2) else np.zeros(len(weight))
        read = values.channels(node.input[0])
        groups = attribute(node, "group", 1)
        usable = read if not padded(node) else np.where(read == 0, read, np.nan)
        # Of group g, output o reads input g * width + i: [made, width] of what each one reads.
        inputs = np.repeat(usable.reshape(groups, -1), len(weight) // groups, axis=0)
        blocked = weight.reshape(*weight.shape[:2], -1)
        reads = blocked.any(axis=2)
        constant = ~(reads & np.isnan(inputs)).any(axis=1)
        if not constant.any():
            return
        total = blocked[constant].sum(axis=2, dtype=np.float64)
        sums = (np.nan_to_num(inputs[constant]) * total).sum(axis=1)
        found = np.full(len(weight), np.nan)
        found[constant] = sums + bias[constant]
        rank = len(values.walk.shape(node.output[0]))
        values.note(node.output[0], found.reshape(1, -1, *[1] * (rank - 2)))

    def shrink(self, node: NodeProto, cut: Cut) -> None:
        groups = attribute(node, "group", 1)
        # Dilation and strides stay; a depthwise convolution has as many groups as channels.
        if groups > 1 and groups == len(cut.kept(node.input[0], 1)):
            cut.set_attribute(node, "group", int(cut.kept(node.input[0], 1).sum()))


class ConvTranspose(Operator):
    """Transposed convolutions of one group."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        weight = walk.constant(node.input[1])
        bias = _bias(node, 2, walk)
        rank = len(walk.shape(node.output[0]))
        if attribute(node, "group", 1) != 1:
            raise NotFollowedError(node.op_type)
        read = _channels(walk, node.input[0], 1, weight.shape[0])
        filters = walk.union.fresh(weight.shape[1])
        walk.enter(node, node.input[1], 0, "reads", read)
        walk.enter(node, node.input[1], 1, "makes", filters)
        if bias:
            walk.enter(node, bias, 0, "makes", filters)
        walk.readers.append(Reader(node, node.input[0], node.input[1], read, filters))
        walk.layers.append(LayerNode(node, node.input[1], bias, depthwise=False))
        walk.relabel(node.output[0], filters.reshape(1, -1, *[1] * (rank - 2)))

    def evaluate(self, node: NodeProto, values: Values) -> None:
        weight = values.of(node.input[1])
        read = values.channels(node.input[0])
        bias = values.of(node.input[2]) if has(node, 2) else np.zeros(weight.shape[1])
        # At the borders fewer weights reach a pixel: only zeros give one value everywhere.
        live = weight.reshape(*weight.shape[:2], -1).any(axis=2) & (read != 0)[:, None]
        found = np.where(live.any(axis=0), np.nan, bias)
        rank = len(values.walk.shape(node.output[0]))
        values.note(node.output[0], found.reshape(1, -1, *[1] * (rank - 2)))


class Gemm(Operator):
    """Fully-connected layers with constant weights: alpha * x W + beta * b."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        weight = walk.constant(node.input[1])
        bias = _bias(node, 2, walk)
        if attribute(node, "transA", 0) or weight.ndim != 2:
            raise NotFollowedError(node.op_type)
        makes = 0 if attribute(node, "transB", 0) else 1
        read = _channels(walk, node.input[0], 1, weight.shape[1 - makes])
        neurons = walk.union.fresh(weight.shape[makes])
        walk.enter(node, node.input[1], 1 - makes, "reads", read)
        walk.enter(node, node.input[1], makes, "makes", neurons)
        if bias:
            walk.enter(node, bias, walk.constant(bias).ndim - 1, "makes", neurons)
        walk.readers.append(Reader(node, node.input[0], node.input[1], read, neurons))
        walk.layers.append(LayerNode(node, node.input[1], bias, depthwise=False))
        walk.relabel(node.output[0], neurons.reshape(1, -1))

    def evaluate(self, node: NodeProto, values: Values) -> None:
        weight = values.of(node.input[1])
        weight = weight if attribute(node, "transB", 0) else weight.T
        found = _dense(weight, values.channels(node.input[0])) * attribute(node, "alpha", 1.0)
        if has(node, 2):
            found = found + values.of(node.input[2]).reshape(-1) * attribute(node, "beta", 1.0)
        values.note(node.output[0], found.reshape(1, -1))


class MatMul(Operator):
    """Fully-connected layers as x W, without bias; x may have more axes than two."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        weight = walk.constant(node.input[1])
        rank = len(walk.shape(node.input[0]))
        if weight.ndim != 2 or rank < 2:
            raise NotFollowedError(node.op_type)
        read = _channels(walk, node.input[0], rank - 1, weight.shape[0])
        neurons = walk.union.fresh(weight.shape[1])
        walk.enter(node, node.input[1], 0, "reads", read)
        walk.enter(node, node.input[1], 1, "makes", neurons)
        walk.readers.append(Reader(node, node.input[0], node.input[1], read, neurons))
        walk.layers.append(LayerNode(node, node.input[1], None, depthwise=False))
        walk.relabel(node.output[0], neurons.reshape(*[1] * (rank - 1), -1))

    def evaluate(self, node: NodeProto, values: Values) -> None:
        rank = len(values.walk.shape(node.input[0]))
        found = _dense(values.of(node.input[1]).T, values.channels(node.input[0], rank - 1))
        values.note(node.output[0], found.reshape(*[1] * (rank - 1), -1))


class BatchNorm(Operator):
    """Batch normalisation with stored statistics."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        if attribute(node, "training_mode", 0) or any(node.output[1:]):
            raise NotFollowedError(node.op_type)
        size = walk.shape(node.input[0])[1]
        labels = _channels(walk, node.input[0], 1, size)
        for name in node.input[1:]:
            if walk.constant(name).shape != (size,):
                raise NotFollowedError(node.op_type)
        for name, role in zip(
            node.input[1:], ("scales", "scales", "scales", "follows"), strict=True
        ):
            walk.enter(node, name, 0, role, labels)
        walk.labels[node.output[0]] = walk.labelled(node.input[0])

    def evaluate(self, node: NodeProto, values: Values) -> None:
        scale, shift, mean, variance = (values.of(n).astype(np.float64) for n in node.input[1:])
        slope = scale / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        read = values.channels(node.input[0])
        found = np.where(slope == 0, shift, (read - mean) * slope + shift)
        rank = len(values.walk.shape(node.output[0]))
        values.note(node.output[0], found.reshape(1, -1, *[1] * (rank - 2)))


class InstanceNorm(Operator):
    """Instance normalisation: a constant channel comes out as its shift."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        size = walk.shape(node.input[0])[1]
        labels = _channels(walk, node.input[0], 1, size)
        if any(walk.constant(name).shape != (size,) for name in node.input[1:]):
            raise NotFollowedError(node.op_type)
        for name in node.input[1:]:
            walk.enter(node, name, 0, "scales", labels)
        walk.labels[node.output[0]] = walk.labelled(node.input[0])

    def evaluate(self, node: NodeProto, values: Values) -> None:
        scale, shift = values.of(node.input[1]), values.of(node.input[2])
        known = ~np.isnan(values.channels(node.input[0])) | (scale == 0)
        rank = len(values.walk.shape(node.output[0]))
        found = np.where(known, shift, np.nan)
        values.note(node.output[0], found.reshape(1, -1, *[1] * (rank - 2)))


def padded(node: NodeProto) -> bool:
    """Whether a convolution sees pixels beyond its input's border, which are zeros."""
    automatic = attribute(node, "auto_pad", b"NOTSET")
    return automatic in (b"SAME_UPPER", b"SAME_LOWER") or any(pads(node))


def pads(node: NodeProto) -> tuple[int, ...]:
    """A node's paddings; empty where none are given."""
    return tuple(attribute(node, "pads", ()))


def _channels(walk: Walk, name: str, axis: int, size: int) -> Array:
    """Labels [size] of the channels of a tensor; NotFollowedError where they lie otherwise."""
    labels = along(walk.labelled(name), axis, size)
    if labels is None:
        raise NotFollowedError(f"the channels of {name} do not lie along axis {axis}")
    return np.array(labels)


def _bias(node: NodeProto, index: int, walk: Walk) -> str | None:
    """The bias's name; NotFollowedError where there is one that is not a constant vector."""
    if not has(node, index):
        return None
    name = str(node.input[index])
    weight, bias = walk.constant(node.input[1]), walk.constant(name)
    transposed = node.op_type == "ConvTranspose" or (
        node.op_type == "Gemm" and not attribute(node, "transB", 0)
    )
    if bias.size != weight.shape[1 if transposed else 0] or bias.shape[-1:] != (bias.size,):
        raise NotFollowedError(f"{name} is no vector of biases")
    return name


def has(node: NodeProto, index: int) -> bool:
    return len(node.input) > index and bool(node.input[index])


def _dense(weight: Array, read: Array) -> Array:
    """Constant outputs [made] of weight [made, read]; NaN for the others."""
    unknown = np.isnan(read)
    constant = ~weight[:, unknown].any(axis=1)
    found = np.full(len(weight), np.nan)
    known = np.flatnonzero(~unknown & (read != 0))
    found[constant] = weight[np.ix_(constant, known)].astype(np.float64) @ read[known]
    return found
