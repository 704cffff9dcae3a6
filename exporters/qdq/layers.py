"""The weights and biases of an int8 layer, as constants of the graph being written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..passes.graph import attribute
from .scales import Scale, quantise_bias, quantise_weight

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

    from ..profiles import Profile
    from .draft import Draft
    from .weights import QuantisedWeight

__all__ = ["layer_constants"]


def layer_constants(
    draft: Draft,
    node: NodeProto,
    known: Mapping[str, TensorProto],
    scale: Scale,
    profile: Profile,
    own: QuantisedWeight | None,
) -> list[str]:
    """Write the weights of a Conv, Gemm or MatMul, and its bias if it has one; returns the names.

    ``known`` are the constants of the source, ``scale`` is that of the layer's input, ``own`` the
    int8 weights to take in place of those rounded to nearest.
    """
    from onnx import numpy_helper

    weight = numpy_helper.to_array(known[node.input[1]])
    bias = None
    if len(node.input) > 2 and node.input[2]:
        bias = numpy_helper.to_array(known[node.input[2]])
    axis = 0 if node.op_type == "Conv" or attribute(node, "transB", 0) else 1
    if own is None:
        own = quantise_weight(
            weight, axis, profile.weight_limit, bias=bias, input_scale=scale.scale
        )
    names = [_weight(draft, node, own)]
    if bias is not None:
        stem = node.input[2]
        values, steps = quantise_bias(bias, scale.scale, own.scales)
        constants = [
            draft.constant(f"{stem}_quantized", values),
            draft.constant(f"{stem}_scale", steps),
        ]
        output = draft.name(f"{stem}_dequantized")
        names.append(draft.add("DequantizeLinear", constants, output, axis=0))
    return names


def _weight(draft: Draft, node: NodeProto, own: QuantisedWeight) -> str:
    import numpy as np

    stem = node.input[1]
    constants = [
        draft.constant(f"{stem}_quantized", own.values),
        draft.constant(f"{stem}_scale", own.scales),
    ]
    # Zero points of 0 are the default; ONNX Runtime fuses a Conv without them, but no Gemm.
    if node.op_type != "Conv":
        zeros = np.zeros(own.scales.shape, np.int8)
        constants.append(draft.constant(f"{stem}_zero_point", zeros))
    output = draft.name(f"{stem}_dequantized")
    return draft.add("DequantizeLinear", constants, output, axis=own.axis)
