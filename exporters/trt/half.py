"""The rest of a network in fp16: for strongly typed TensorRT, where the file decides all types."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...errors import InputError
from ..int8.input import check_imports
from ..passes.graph import subgraphs

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableSequence

    from onnx import GraphProto, ModelProto, TensorProto

__all__ = ["LOWEST_OPSET", "in_half"]

log = logging.getLogger(__name__)

LOWEST_OPSET = 19
"""From here on QuantizeLinear takes fp16."""

_FLOAT_INPUTS = {"Resize": (1, 2), "Upsample": (1,)}
"""Inputs that the standard has in float32 whatever the type of the rest."""

_BOUNDED = {"Clip": (1, 2), "Min": (0, 1), "Max": (0, 1)}
"""Inputs that may be bounds: one over what fp16 holds bounds nothing, and may be clipped."""

_PRECISION = 2.0**-11
"""What rounding to fp16 takes from the greatest value of a tensor anyway."""


def in_half(model: ModelProto, source: str) -> ModelProto:
    """``model`` computing in fp16, with float32 inputs and outputs as before; a copy.

    What Q/DQ pairs make int8 stays int8. A warning says where values change by more than rounding.
    Raises InputError, naming the model by ``source``, where a weight is too large for fp16 or the
    scale of a Q/DQ pair too small, the model has nested graphs, or it cannot have opset 19.
    """
    from onnx import ModelProto, TensorProto

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
    bounds, scales = _bounds(graph), _scales(graph)
    changed: list[str] = []
    for tensor, name in _floats(graph):
        if name not in kept:
            changed += _narrow(tensor, name, source, bound=name in bounds, scale=name in scales)
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        log.warning("%s in fp16: %s%s; compare its answers with float's", source, changed[0], more)
    for node in graph.node:
        for item in node.attribute:
            if item.name in ("to", "dtype") and item.i == TensorProto.FLOAT:
                item.i = TensorProto.FLOAT16
    _cast_borders(half)
    return half


def _floats(graph: GraphProto) -> Iterator[tuple[TensorProto, str]]:
    """The float32 constants, with the name that nodes read them by."""
    from onnx import TensorProto

    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            yield tensor, tensor.name
    for node in graph.node:
        for item in node.attribute:
            if item.HasField("t") and item.t.data_type == TensorProto.FLOAT:
                yield item.t, node.output[0]


def _bounds(graph: GraphProto) -> set[str]:
    """The constants that are nothing but bounds."""
    bounds: set[str] = set()
    others = {value.name for value in graph.output}
    for node in graph.node:
        for index, name in enumerate(node.input):
            (bounds if index in _BOUNDED.get(node.op_type, ()) else others).add(name)
    return bounds - others


def _scales(graph: GraphProto) -> set[str]:
    kinds = ("QuantizeLinear", "DequantizeLinear")
    return {node.input[1] for node in graph.node if node.op_type in kinds}


def _raised(model: ModelProto, source: str) -> ModelProto:
    from onnx import version_converter

    version = check_imports(model, source)
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


def _narrow(
    tensor: TensorProto, name: str, source: str, *, bound: bool, scale: bool
) -> Iterator[str]:
    """Round a constant to fp16; yields what is more than rounding, in words."""
    import numpy as np
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    limit = float(np.finfo(np.float16).max)
    sizes = np.abs(values[np.isfinite(values)])
    greatest = float(sizes.max(initial=0))
    if greatest > limit and not bound:
        raise InputError(
            f"{source}: '{name}' holds {greatest:g}, more than fp16 can; pass --precision fp32"
        )
    inside = np.where(np.isfinite(values), values.clip(-limit, limit), values)
    narrowed = inside.astype(np.float16)
    lost = np.abs(values[(narrowed == 0) & (values != 0)])
    if lost.size and scale:
        raise InputError(
            f"{source}: the scale '{name}' holds {lost.max():g}, less than fp16 can; "
            "pass --precision fp32, or quantise the float model it was made from"
        )
    tensor.CopyFrom(numpy_helper.from_array(narrowed, tensor.name))
    if limit < greatest < np.finfo(np.float32).max:
        yield f"the bound {greatest:g} in '{name}' becomes {limit:g}"
    if lost.size and lost.max() > _PRECISION * greatest:
        yield f"{lost.size} value(s) of '{name}' that are not 0 become 0, up to {lost.max():g}"


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
