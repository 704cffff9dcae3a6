"""The rest of a network in fp16: for strongly typed TensorRT, where the file decides all types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InputError
from ..passes.graph import subgraphs

if TYPE_CHECKING:
    from collections.abc import MutableSequence

    from onnx import AttributeProto, ModelProto, TensorProto

__all__ = ["LOWEST_OPSET", "in_half"]

LOWEST_OPSET = 19
"""From here on QuantizeLinear takes fp16."""

_FLOAT_INPUTS = {"Resize": (1, 2), "Upsample": (1,)}
"""Inputs that the standard has in float32 whatever the type of the rest."""


def in_half(model: ModelProto, source: str) -> ModelProto:
    """``model`` computing in fp16, with float32 inputs and outputs as before; a copy.

    What Q/DQ pairs make int8 stays int8. Raises InputError, naming the model by ``source``, where
    a weight is too large for fp16, the model has nested graphs, or it cannot have opset 19.
    """
    from onnx import ModelProto

    if sum(1 for _ in subgraphs(model.graph)) > 1:
        raise InputError(
            f"{source} has nested graphs (If, Loop or Scan), which are not brought to fp16; "
            "pass --precision fp32"
        )
    half = ModelProto()
    half.CopyFrom(_raised(model, source))
    graph = half.graph
    del graph.value_info[:]
    kept = _read_as_float(half)
    for tensor in graph.initializer:
        if tensor.name not in kept:
            _narrow(tensor, source)
    for node in graph.node:
        for item in node.attribute:
            _narrow_attribute(item, source)
    _cast_borders(half)
    return half


def _raised(model: ModelProto, source: str) -> ModelProto:
    from onnx import version_converter

    version = next(e.version for e in model.opset_import if e.domain in ("", "ai.onnx"))
    if version >= LOWEST_OPSET:
        return model
    try:
        return version_converter.convert_version(model, LOWEST_OPSET)
    except Exception as error:  # the converter raises whatever its C++ side throws
        raise InputError(
            f"{source} uses opset {version}, fp16 needs {LOWEST_OPSET} or later, and it cannot be "
            "converted; export it again with a later opset, or pass --precision fp32"
        ) from error


def _read_as_float(model: ModelProto) -> set[str]:
    return {
        node.input[index]
        for node in model.graph.node
        for index in _FLOAT_INPUTS.get(node.op_type, ())
        if index < len(node.input)
    }


def _narrow(tensor: TensorProto, source: str) -> None:
    import numpy as np
    from onnx import TensorProto, numpy_helper

    if tensor.data_type != TensorProto.FLOAT:
        return
    values = numpy_helper.to_array(tensor)
    # Bounds such as Clip's may be the greatest float32; they bound nothing in fp16 either.
    limit = np.finfo(np.float16).max
    if values.size > 1 and np.abs(values).max() > limit:
        raise InputError(
            f"{source}: '{tensor.name}' holds {np.abs(values).max():g}, more than fp16 can; "
            "pass --precision fp32"
        )
    narrowed = values.clip(-limit, limit).astype(np.float16)
    tensor.CopyFrom(numpy_helper.from_array(narrowed, tensor.name))


def _narrow_attribute(item: AttributeProto, source: str) -> None:
    from onnx import TensorProto

    if item.HasField("t"):
        _narrow(item.t, source)
    elif item.name in ("to", "dtype") and item.i == TensorProto.FLOAT:
        item.i = TensorProto.FLOAT16


def _cast_borders(model: ModelProto) -> None:
    """Casts behind float32 inputs and before float32 outputs."""
    from onnx import TensorProto, helper

    graph = model.graph
    names = {name for node in graph.node for name in (*node.input, *node.output)}
    names |= {tensor.name for tensor in graph.initializer}
    weights = {tensor.name for tensor in graph.initializer}

    def free(wanted: str) -> str:
        while wanted in names:
            wanted += "_"
        names.add(wanted)
        return wanted

    before = []
    for value in graph.input:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT and value.name not in weights:
            name = free(f"{value.name}_fp16")
            for node in graph.node:
                _rename(node.input, value.name, name)
            before.append(
                helper.make_node("Cast", [value.name], [name], name, to=TensorProto.FLOAT16)
            )
    nodes = [*before, *graph.node]
    for value in graph.output:
        if value.type.tensor_type.elem_type != TensorProto.FLOAT:
            continue
        name = free(f"{value.name}_fp16")
        for node in nodes:
            _rename(node.output, value.name, name)
            _rename(node.input, value.name, name)
        nodes.append(helper.make_node("Cast", [name], [value.name], name, to=TensorProto.FLOAT))
    del graph.node[:]
    graph.node.extend(nodes)


def _rename(names: MutableSequence[str], old: str, new: str) -> None:
    for index, name in enumerate(names):
        if name == old:
            names[index] = new
