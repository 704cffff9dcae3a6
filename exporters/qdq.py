"""Place QuantizeLinear and DequantizeLinear around the layers that run in int8.

ONNX Runtime's own quantiser does the placing. This module decides what it is told (which operators,
which tensors have to be observed) and tidies what it wrote.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .passes.graph import constant, consumers, initialisers, producers, tensor_types

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

    from .profiles import Profile
    from .qdq_weights import QuantisedWeight

__all__ = ["QUANTISED_OPS", "complete_ranges", "insert_qdq", "tensors_to_observe"]

Range = tuple[float, float]

_MOVING = ("Flatten", "MaxPool", "Reshape", "Split", "Squeeze", "Transpose", "Unsqueeze")
"""These move int8 values about unchanged: what comes out has the scale of what went in."""

_FOLDED = ("Clip", "Relu")
"""These vanish into the saturation of the layer before them."""

QUANTISED_OPS: tuple[str, ...] = (
    *_MOVING,
    *_FOLDED,
    "Add",
    "AveragePool",
    "Concat",
    "Conv",
    "Gemm",
    "GlobalAveragePool",
    "LeakyRelu",
    "MatMul",
    "Mul",
    "Sigmoid",
)
"""Operators with an int8 kernel in ONNX Runtime's CPU provider; all others stay float."""

_FLOAT_OUTPUT = ("Gemm", "MatMul")
"""Their int8 kernels can hand out float, so a network's last layer need not be rounded."""


def tensors_to_observe(model: ModelProto) -> list[str]:
    """The tensors whose range on real images the quantiser needs, in graph order.

    Left out are those whose scale follows from another's: what a moving operator hands on, and
    what is folded into the activation after it.
    """
    from onnx import TensorProto

    graph = model.graph
    types = tensor_types(model)
    known = initialisers(graph)
    follows = _followers(graph)
    names: dict[str, None] = {}
    for node in graph.node:
        if node.op_type in QUANTISED_OPS:
            names.update(dict.fromkeys((*node.input, *node.output)))
    return [
        name
        for name in names
        if name not in known
        and name not in follows
        and types.get(name, (TensorProto.UNDEFINED, ()))[0] == TensorProto.FLOAT
    ]


def complete_ranges(model: ModelProto, observed: Mapping[str, Range]) -> dict[str, Range]:
    """``observed`` with, for each tensor whose scale follows from another's, that one's range."""
    follows = _followers(model.graph)
    ranges = dict(observed)
    for name in follows:
        leader = follows[name]
        while leader in follows:
            leader = follows[leader]
        if leader in observed:
            ranges[name] = observed[leader]
    return ranges


def insert_qdq(
    model: ModelProto,
    ranges: Mapping[str, Range],
    profile: Profile,
    *,
    float_nodes: Collection[str] = (),
    weights: Mapping[str, QuantisedWeight] | None = None,
) -> ModelProto:
    """The quantised model: int8 weights per channel, int32 biases, Q/DQ pairs on activations.

    ``float_nodes`` names nodes that stay float. ``weights`` maps initialisers to int8 values that
    are taken as they are; all others are rounded to nearest.
    """
    import numpy as np
    from onnx import ModelProto, shape_inference
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import TensorData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    typed = ModelProto()
    typed.CopyFrom(shape_inference.infer_shapes(model))
    # The quantiser takes this mark for shapes already inferred; else it writes files to infer them.
    typed.metadata_props.add(key="onnx.infer", value="onnxruntime.quant")
    data = {
        name: TensorData(lowest=np.array(low, np.float32), highest=np.array(high, np.float32))
        for name, (low, high) in ranges.items()
    }
    with _quiet():
        quantiser = QDQQuantizer(
            typed,
            True,
            profile.reduce_range,
            QuantType.QInt8,
            QuantType.QInt8 if profile.signed_activations else QuantType.QUInt8,
            data,
            [],
            sorted(float_nodes),
            list(QUANTISED_OPS),
            {"WeightSymmetric": True, "ActivationSymmetric": False},
        )
        quantised: ModelProto = quantiser.quantize_model()
        quantiser.model.topological_sort()
    _own_weights(model.graph, quantised.graph, weights or {})
    _float_outputs(quantised.graph)
    _tidy(quantised)
    return quantised


def _followers(graph: GraphProto) -> dict[str, str]:
    """Tensor -> the tensor whose scale it takes."""
    counts = consumers(graph)
    made = producers(graph)
    follows = {}
    for node in graph.node:
        if node.op_type in _MOVING:
            follows.update(dict.fromkeys(node.output, node.input[0]))
        elif node.op_type in _FOLDED and counts.get(node.input[0]) == 1 and node.input[0] in made:
            follows[node.input[0]] = node.output[0]
    return follows


def _own_weights(
    source: GraphProto, graph: GraphProto, weights: Mapping[str, QuantisedWeight]
) -> None:
    """Put ``weights`` in place of the rounded ones, and the biases on their scales."""
    import numpy as np
    from onnx import numpy_helper

    stored = {tensor.name: tensor for tensor in graph.initializer}
    made = producers(graph)
    for name, own in weights.items():
        if f"{name}_quantized" not in stored:
            continue
        new = {"_quantized": own.values, "_scale": own.scales}
        for suffix, value in new.items():
            stored[name + suffix].CopyFrom(numpy_helper.from_array(value, name + suffix))
        for node in graph.node:
            if len(node.input) < 3 or node.input[1] != f"{name}_DequantizeLinear_Output":
                continue
            feed, bias = made[node.input[0]], made.get(node.input[2])
            plain = (
                None if bias is None else constant(source, bias.input[0].removesuffix("_quantized"))
            )
            if bias is None or plain is None:
                continue
            scale = numpy_helper.to_array(stored[feed.input[1]]) * own.scales
            rounded = np.rint(plain.astype(np.float64) / scale).clip(-(2**31), 2**31 - 1)
            values = (rounded.astype(np.int32), scale.astype(np.float32))
            for target, value in zip(bias.input, values, strict=False):
                stored[target].CopyFrom(numpy_helper.from_array(value, target))


def _float_outputs(graph: GraphProto) -> None:
    """Take the Q/DQ pair off a graph output that a layer with float output makes."""
    made = producers(graph)
    counts = consumers(graph)
    for output in graph.output:
        last = made.get(output.name)
        if last is None or last.op_type != "DequantizeLinear" or counts[output.name] != 1:
            continue
        rounding = made.get(last.input[0])
        if rounding is None or rounding.op_type != "QuantizeLinear" or counts[last.input[0]] != 1:
            continue
        layer = made.get(rounding.input[0])
        if layer is None or layer.op_type not in _FLOAT_OUTPUT or counts[rounding.input[0]] != 1:
            continue
        layer.output[0] = output.name
        graph.node.remove(rounding)
        graph.node.remove(last)


def _tidy(model: ModelProto) -> None:
    """Drop what costs bytes and says nothing: inferred shapes, names of Q/DQ nodes, leftovers."""
    from onnx import numpy_helper

    from .passes import run_passes

    graph = model.graph
    del graph.value_info[:]
    constants = initialisers(graph)
    convolved = {name for node in graph.node if node.op_type == "Conv" for name in node.input[1:]}
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            node.name = ""
        # Zero points that are 0 throughout are the default. ONNX Runtime fuses a Conv without
        # them, but no Gemm.
        if node.op_type == "DequantizeLinear" and node.output[0] in convolved:
            zero = constants.get(node.input[2]) if len(node.input) > 2 else None
            if zero is not None and not numpy_helper.to_array(zero).any():
                del node.input[2:]
    for index in reversed(range(len(model.metadata_props))):
        if model.metadata_props[index].key == "onnx.infer":
            del model.metadata_props[index]
    run_passes(model, ("dead_code",))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser's advice, which it logs to the root logger, from the user's terminal."""

    def drop(record: logging.LogRecord) -> bool:
        return "onnxruntime" not in record.pathname

    root = logging.getLogger()
    handler = logging.NullHandler()
    handlers = list(root.handlers)
    # Without a handler, logging.warning() would install one on stderr for good.
    root.addHandler(handler)
    root.addFilter(drop)
    for other in handlers:
        other.addFilter(drop)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.removeFilter(drop)
        for other in handlers:
            other.removeFilter(drop)
