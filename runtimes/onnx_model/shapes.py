"""Shapes of every value in an ONNX graph, for one image, without touching the weights."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..base import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import onnx

__all__ = ["graph_inputs", "graph_outputs", "infer_shapes"]

log = logging.getLogger(__name__)

_SHAPE_CONSTANT = 1024
"""Initialisers of up to this many elements may be shapes, so inference gets their values."""

_STANDARD: dict[str, tuple[str, tuple[int, ...]]] = {
    "FusedConv": ("Conv", (0, 1)),
    "FusedGemm": ("Gemm", (0, 1)),
    "QGemm": ("Gemm", (0, 3)),
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearAveragePool": ("AveragePool", (0,)),
    "QLinearConv": ("Conv", (0, 3)),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,)),
    "QLinearLeakyRelu": ("Relu", (0,)),
    "QLinearMatMul": ("MatMul", (0, 3)),
    "QLinearMul": ("Mul", (0, 3)),
    "QLinearSigmoid": ("Relu", (0,)),
    "QLinearSoftmax": ("Relu", (0,)),
    "QuantizeLinear": ("Relu", (0,)),
    "DequantizeLinear": ("Relu", (0,)),
}
"""Quantised operators, some of ONNX Runtime's own: the plain one that makes the same shape, and its
inputs. The shape is all that is asked, so that a unary operator stands for any other."""

_ATTRIBUTES = {
    "Conv": ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"),
    "Gemm": ("transA", "transB"),
    "AveragePool": (
        "auto_pad",
        "ceil_mode",
        "count_include_pad",
        "kernel_shape",
        "pads",
        "strides",
    ),
}


def graph_inputs(model: onnx.ModelProto) -> tuple[TensorSpec, ...]:
    """What the graph must be fed: its inputs without those that an initialiser fills."""
    filled = {tensor.name for tensor in model.graph.initializer}
    return _specs(value for value in model.graph.input if value.name not in filled)


def graph_outputs(model: onnx.ModelProto) -> tuple[TensorSpec, ...]:
    """What the graph returns, as declared."""
    return _specs(model.graph.output)


def infer_shapes(
    model: onnx.ModelProto, feeds: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int | None, ...]]:
    """Shapes by value name when the inputs have the shapes in ``feeds``.

    Works on a skeleton without the large weights, so it is quick for any size. Values whose shape
    cannot be told are absent, or have None for the sizes that cannot.
    """
    import onnx

    skeleton = _skeleton(model, feeds)
    try:
        inferred = onnx.shape_inference.infer_shapes(skeleton, data_prop=True)
    # RuntimeError, onnx's own InferenceError, protobuf errors: no common base.
    except Exception as error:  # noqa: BLE001
        log.debug("shape inference failed: %s", error)
        inferred = skeleton
    graph = inferred.graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    known: dict[str, tuple[int | None, ...]] = dict(shapes)
    for value in (*graph.value_info, *graph.output, *graph.input):
        if value.name not in known and value.type.tensor_type.HasField("shape"):
            known[value.name] = _shape(value)
    return known


def _skeleton(model: onnx.ModelProto, feeds: Mapping[str, tuple[int, ...]]) -> onnx.ModelProto:
    import onnx

    graph = model.graph
    skeleton = onnx.ModelProto(ir_version=max(model.ir_version, 4))
    skeleton.opset_import.extend(model.opset_import)
    skeleton.functions.extend(model.functions)
    skeleton.graph.name = "skeleton"
    if all(entry.domain not in ("", "ai.onnx") for entry in model.opset_import):
        skeleton.opset_import.add(domain="", version=17)
    for value in graph.input:
        feed = feeds.get(value.name)
        if feed is None:
            skeleton.graph.input.append(value)
        else:
            kind = value.type.tensor_type.elem_type
            skeleton.graph.input.append(onnx.helper.make_tensor_value_info(value.name, kind, feed))
    declared = {value.name for value in graph.input}
    for tensor in graph.initializer:
        if _elements(tensor.dims) <= _SHAPE_CONSTANT:
            skeleton.graph.initializer.append(tensor)
        elif tensor.name not in declared:
            skeleton.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    for node in graph.node:
        skeleton.graph.node.append(_standard(node))
    # Declared output shapes may hold the old batch; only the type may be trusted.
    for value in graph.output:
        kind = value.type.tensor_type.elem_type
        skeleton.graph.output.append(onnx.helper.make_tensor_value_info(value.name, kind, None))
    return skeleton


def _standard(node: onnx.NodeProto) -> onnx.NodeProto:
    """The node, or for a quantised one the plain node with the same output shape."""
    import onnx

    if node.op_type == "QLinearConcat":
        axis = [attribute for attribute in node.attribute if attribute.name == "axis"]
        concat = onnx.helper.make_node("Concat", node.input[2::3], node.output, name=node.name)
        concat.attribute.extend(axis)
        return concat
    if node.op_type not in _STANDARD:
        return node
    kind, slots = _STANDARD[node.op_type]
    inputs = [node.input[slot] for slot in slots if slot < len(node.input)]
    plain = onnx.helper.make_node(kind, inputs, node.output, name=node.name)
    allowed = _ATTRIBUTES.get(kind, ())
    plain.attribute.extend(a for a in node.attribute if a.name in allowed)
    return plain


def _specs(values: Iterable[onnx.ValueInfoProto]) -> tuple[TensorSpec, ...]:
    import onnx

    specs = []
    for value in values:
        try:
            kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            dtype = kind.name
        except (KeyError, ValueError, TypeError):
            dtype = "unknown"
        specs.append(TensorSpec(value.name, dtype, _shape(value)))
    return tuple(specs)


def _shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    return tuple(
        size.dim_value if size.HasField("dim_value") and size.dim_value > 0 else None
        for size in value.type.tensor_type.shape.dim
    )


def _elements(sizes: Iterable[int]) -> int:
    count = 1
    for size in sizes:
        count *= size
    return count
