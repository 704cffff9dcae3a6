"""Fold a BatchNormalization into the convolution before it, as its int8 form needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import PassResult, attribute, constant, consumers, producers

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["apply"]


def apply(model: ModelProto) -> PassResult:
    """Precondition: none. Postcondition: no BatchNormalization in inference form follows a Conv
    that has constant weights and no other reader."""
    graph = model.graph
    changes = []
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        if any(norm.output[1:]) or attribute(norm, "training_mode", 0):
            continue
        conv = producers(graph).get(norm.input[0])
        if conv is None or conv.op_type != "Conv" or consumers(graph).get(conv.output[0]) != 1:
            continue
        if _fold(graph, conv, norm):
            changes.append(f"{norm.name or norm.output[0]} into {conv.name or conv.input[1]}")
    return PassResult("batch_norm", tuple(changes))


def _fold(graph: GraphProto, conv: NodeProto, norm: NodeProto) -> bool:
    import numpy as np
    from onnx import numpy_helper

    weight = constant(graph, conv.input[1])
    bias = constant(graph, conv.input[2]) if len(conv.input) > 2 and conv.input[2] else None
    scale, shift, mean, variance = (constant(graph, name) for name in norm.input[1:5])
    if weight is None or scale is None or shift is None or mean is None or variance is None:
        return False
    if bias is None and len(conv.input) > 2 and conv.input[2]:
        return False
    # Double precision, so that folding costs no more than the one rounding to the stored type.
    factor = scale.astype(np.float64) / np.sqrt(
        variance.astype(np.float64) + attribute(norm, "epsilon", 1e-5)
    )
    folded = weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
    offset = shift + (0.0 if bias is None else bias.astype(np.float64)) * factor - mean * factor
    stem = norm.output[0]
    names = (f"{stem}/folded_weight", f"{stem}/folded_bias")
    for name, value in zip(names, (folded, offset), strict=True):
        graph.initializer.append(numpy_helper.from_array(value.astype(weight.dtype), name))
    inputs = [conv.input[0], *names]
    del conv.input[:]
    conv.input.extend(inputs)
    conv.output[0] = norm.output[0]
    graph.node.remove(norm)
    return True
