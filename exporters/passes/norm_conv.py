"""Write a BatchNormalization that no convolution takes up as a depthwise convolution of one pixel.

In int8 there is no kernel for the first, and one for the second. DenseNet normalises what it has
concatenated, before the activation: sixty float islands otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import PassResult, attribute, constant, replace_node, tensor_types

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["apply"]


def apply(model: ModelProto) -> PassResult:
    """Precondition: none. Postcondition: no BatchNormalization in inference form with constant
    parameters is left that takes a float32 tensor of rank 4."""
    from onnx import TensorProto

    graph = model.graph
    norms = [node for node in graph.node if node.op_type == "BatchNormalization"]
    if not norms:
        return PassResult("norm_conv")
    types = tensor_types(model)
    changes = []
    for norm in norms:
        kind, shape = types.get(norm.input[0], (TensorProto.UNDEFINED, ()))
        inference = not any(norm.output[1:]) and not attribute(norm, "training_mode", 0)
        if kind == TensorProto.FLOAT and len(shape) == 4 and inference:
            conv = _as_conv(graph, norm)
            if conv is not None:
                replace_node(graph, norm, [conv])
                changes.append(norm.name or norm.output[0])
    return PassResult("norm_conv", tuple(changes))


def _as_conv(graph: GraphProto, norm: NodeProto) -> NodeProto | None:
    import numpy as np
    from onnx import helper, numpy_helper

    scale, shift, mean, variance = (constant(graph, name) for name in norm.input[1:5])
    if scale is None or shift is None or mean is None or variance is None:
        return None
    root = np.sqrt(variance.astype(np.float64) + attribute(norm, "epsilon", 1e-5))
    factor = scale.astype(np.float64) / root
    offset = shift - mean * factor
    stem = norm.output[0]
    names = (f"{stem}/norm_weight", f"{stem}/norm_bias")
    for name, value in zip(names, (factor.reshape(-1, 1, 1, 1), offset), strict=True):
        graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    return helper.make_node(
        "Conv",
        [norm.input[0], *names],
        [norm.output[0]],
        norm.name,
        group=len(factor),
        kernel_shape=[1, 1],
    )
