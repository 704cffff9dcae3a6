"""ONNX files that are int8 already, in the explicit form that TensorRT takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InputError
from ..int8.input import check_imports, name_nodes
from ..passes import run_passes
from ..passes.graph import initialisers, producers
from .rules import CHOSEN, LAYERS, hindrance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import ModelProto, NodeProto

__all__ = ["is_quantised", "prepare_explicit", "why_float"]

_BORDERS = ("QuantizeLinear", "DequantizeLinear")
_SHUFFLES = ("Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""What TensorRT reads as a layer that only moves values."""
_REMEDY = "quantise the float model it was made from"


def is_quantised(model: ModelProto) -> bool:
    """Whether the model has int8 in it, in whichever form."""
    return any(
        node.op_type in _BORDERS or node.op_type.startswith(("QLinear", "QGemm"))
        for node in model.graph.node
    )


def prepare_explicit(model: ModelProto, source: str) -> None:
    """Write a Q/DQ model as nnc's own are written, in place: constants stored, every node named.

    Raises InputError, naming the model by ``source``, unless all its Q/DQ is TensorRT's kind: that
    is symmetric int8, with float biases, and no operator that computes on integers.
    """
    check_imports(model, source)
    run_passes(model, ("constants", "spelling"))
    name_nodes(model)
    _check_pairs(model, source)


def _check_pairs(model: ModelProto, source: str) -> None:
    import numpy as np
    from onnx import TensorProto, numpy_helper

    known = initialisers(model.graph)
    for node in model.graph.node:
        if node.op_type.startswith(("QLinear", "QGemm")):
            raise InputError(f"{source} has {node.op_type} nodes, not Q/DQ pairs; {_REMEDY}")
        if node.op_type not in _BORDERS:
            continue
        values = known.get(node.input[0])
        if values is not None and values.data_type == TensorProto.INT32:
            raise InputError(
                f"{source}: '{node.input[0]}' is an int32 bias, as ONNX Runtime wants it and "
                f"TensorRT refuses; {_REMEDY}"
            )
        point = known.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        typed = point if point is not None else values
        if typed is not None and typed.data_type == TensorProto.UINT8:
            raise InputError(
                f"{source}: '{node.name or node.output[0]}' is uint8; TensorRT takes int8 alone; "
                f"{_REMEDY}"
            )
        if point is not None and np.any(numpy_helper.to_array(point)):
            raise InputError(
                f"{source}: '{node.name or node.output[0]}' has a zero point; TensorRT takes "
                f"symmetric int8 alone; {_REMEDY}"
            )


def why_float(model: ModelProto) -> dict[str, str]:
    """Name of each layer that is not int8 in a model with Q/DQ pairs -> why it is not."""
    graph = model.graph
    known, made = initialisers(graph), producers(graph)
    found = {}
    for node in graph.node:
        if node.op_type not in LAYERS:
            continue
        if not _dequantised(node.input[0], made):
            found[node.name] = hindrance(node, known) or CHOSEN
        elif not _dequantised(node.input[1], made):
            found[node.name] = "its weights are float"
    return found


def _dequantised(name: str, made: Mapping[str, NodeProto]) -> bool:
    """Whether a tensor comes from integers, be it through nodes that only move values."""
    maker = made.get(name)
    while maker is not None and maker.op_type in _SHUFFLES:
        maker = made.get(maker.input[0])
    return maker is not None and maker.op_type == "DequantizeLinear"
