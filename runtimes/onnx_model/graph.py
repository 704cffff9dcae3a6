"""What an ONNX graph weighs and costs: parameters, non-zero parameters, multiply-accumulates.

The rule for parameters: a constant (initialiser or Constant node) of a number type that enters a
parameter slot of a layer (the table `LAYERS`: weight and bias of Conv, Gemm, MatMul, their
quantised forms, the scale and shift of a normalisation), or the bias of an Add. It may enter
directly or through Q/DQ, Cast, Identity, Transpose, Reshape, Squeeze, Unsqueeze and a Mul by
another constant (its scale). Each constant counts once, however many layers share it. Scales,
zero-points, running statistics, shapes and clip bounds are no parameters. A quantised parameter is
zero where it equals its zero-point.

MACs are those of convolutions and matrix products for one image; biases, normalisations and
activations are not counted, as is usual. Q/DQ changes neither figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from .int8_layers import Int8Layers
from .shapes import graph_inputs, infer_shapes
from .zero_weights import whole_zeros, zero_mask

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import onnx

__all__ = ["LAYERS", "GraphFacts", "LayerFacts", "node_macs", "read_graph"]


@dataclass(frozen=True)
class LayerFacts:
    """One layer: ``dtype`` is that of the stored weight; sizes and MACs None where unknown."""

    name: str
    op: str
    output_shape: tuple[int | None, ...] | None
    parameters: int
    macs: int | None
    dtype: str
    int8: bool = False
    """Whether it multiplies 8-bit integers, as the file says."""
    zeros: int = 0
    """Parameters that are zero."""
    whole_zeros: int = 0
    """Of these, what makes up whole filters, neurons or input channels."""


@dataclass(frozen=True)
class GraphFacts:
    """Totals over a graph; ``macs`` is None where a layer's shapes cannot be told."""

    parameters: int
    nonzero_parameters: int
    macs: int | None
    layers: tuple[LayerFacts, ...]
    output_shape: tuple[int | None, ...]
    """Shape of the first output for a batch of one; empty where it cannot be told."""


@dataclass(frozen=True)
class _Slots:
    """Where a layer keeps its parameters: (input, input of its zero-point or None) pairs."""

    parameters: tuple[tuple[int, int | None], ...]
    product: tuple[int, int] | None = None
    """Inputs that are multiplied, for layers with MACs."""
    output_channel_axis: int = 0
    """Axis of a per-channel zero-point in this layer's own slots."""


_PLAIN = ((1, None), (2, None))

LAYERS: dict[str, _Slots] = {
    "Add": _Slots(((0, None), (1, None))),
    "BatchNormalization": _Slots(_PLAIN),
    "Conv": _Slots(_PLAIN, (0, 1)),
    "ConvInteger": _Slots(((1, 3),), (0, 1)),
    "ConvTranspose": _Slots(_PLAIN, (0, 1)),
    "FusedConv": _Slots(_PLAIN, (0, 1)),
    "FusedGemm": _Slots(_PLAIN, (0, 1)),
    "Gemm": _Slots(((0, None), *_PLAIN), (0, 1)),
    "GroupNormalization": _Slots(_PLAIN),
    "InstanceNormalization": _Slots(_PLAIN),
    "LayerNormalization": _Slots(_PLAIN),
    "MatMul": _Slots(((0, None), (1, None)), (0, 1)),
    "MatMulInteger": _Slots(((0, 2), (1, 3)), (0, 1), -1),
    "PRelu": _Slots(((1, None),)),
    "QGemm": _Slots(((0, 2), (3, 5), (6, None)), (0, 3)),
    "QLinearAdd": _Slots(((0, 2), (3, 5))),
    "QLinearConv": _Slots(((3, 5), (8, None)), (0, 3)),
    "QLinearMatMul": _Slots(((0, 2), (3, 5)), (0, 3), -1),
}
"""Every layer that may hold parameters; QGemm and Fused* are ONNX Runtime's own."""

_ADDITIONS = ("Add", "QLinearAdd")
_THROUGH = (
    *("Cast", "DequantizeLinear", "Identity", "QuantizeLinear"),
    *("Reshape", "Squeeze", "Transpose", "Unsqueeze"),
)
_NUMBERS = ("float", "bfloat", "int8", "uint8", "int32", "int16", "uint16", "int4", "uint4")


def read_graph(model: onnx.ModelProto, image: tuple[int, int, int] | None = None) -> GraphFacts:
    """Count a model's parameters and MACs, for one image of ``image`` = (channels, height, width).

    Without ``image`` the sizes that the graph declares are taken; a fixed batch is divided out.
    """
    walk = _Walk(model)
    feeds: dict[str, tuple[int, ...]] = {}
    batch = 1
    for position, spec in enumerate(graph_inputs(model)):
        sizes = list(spec.shape)
        if position == 0 and image is not None and len(sizes) == 4:
            sizes[1:] = [own or given for own, given in zip(sizes[1:], image, strict=True)]
        if sizes:
            batch = max(batch, sizes[0] or 1) if position == 0 else batch
            feeds[spec.name] = tuple(size or 1 for size in sizes)
    shapes = infer_shapes(model, feeds)
    shapes.update({name: tuple(tensor.dims) for name, tensor in walk.constants.items()})
    int8 = Int8Layers(walk.constants, walk.makers)
    layers = []
    for node in model.graph.node:
        slots = LAYERS.get(node.op_type)
        if slots is None or not walk.is_layer(node, slots):
            continue
        found = walk.count(node, slots)
        if node.op_type in _ADDITIONS and not found.parameters:
            continue
        output = shapes.get(node.output[0])
        macs = node_macs(node, shapes)
        layers.append(
            LayerFacts(
                name=found.stem or node.name or node.output[0],
                op=node.op_type,
                output_shape=None
                if output is None
                else (_one(output[0], batch), *output[1:])
                if output
                else (),
                parameters=found.parameters,
                macs=None if macs is None else macs // batch,
                dtype=found.dtype,
                int8=slots.product is not None and int8.multiplies_int8(node, slots.product),
                zeros=found.zeros,
                whole_zeros=found.whole_zeros,
            )
        )
    counts = [layer.macs for layer in layers]
    return GraphFacts(
        parameters=sum(layer.parameters for layer in layers),
        nonzero_parameters=sum(layer.parameters - layer.zeros for layer in layers),
        macs=None if None in counts else sum(value for value in counts if value is not None),
        layers=tuple(layers),
        output_shape=shapes.get(model.graph.output[0].name, ()),
    )


@dataclass(frozen=True)
class _Counted:
    """The parameters of one layer that no layer before it has."""

    parameters: int = 0
    zeros: int = 0
    whole_zeros: int = 0
    stem: str = ""
    """The layer's name by that of its weight."""
    dtype: str = ""
    """Of the weight, as stored."""


class _Walk:
    """Finds the constants behind a layer's slots, and counts each once."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.makers = {name: node for node in model.graph.node for name in node.output}
        for node in model.graph.node:
            if node.op_type == "Constant":
                for attribute in node.attribute:
                    if attribute.name == "value" and attribute.HasField("t"):
                        self.constants[node.output[0]] = attribute.t
        self.counted: set[str] = set()

    def is_layer(self, node: onnx.NodeProto, slots: _Slots) -> bool:
        """Whether the node has MACs or a constant in one of its slots."""
        return slots.product is not None or any(
            self._source(node, slot)[0] for slot, _ in slots.parameters
        )

    def count(self, node: onnx.NodeProto, slots: _Slots) -> _Counted:
        import numpy as np
        import onnx

        total = zeros = whole = 0
        stem = dtype = ""
        for slot, zero_slot in slots.parameters:
            name, dequantise = self._source(node, slot)
            if not name or not self._is_parameter(node, slot, name):
                continue
            tensor = self.constants[name]
            if not dtype:
                stem = _stem(name)
                dtype = onnx.TensorProto.DataType.Name(tensor.data_type).lower()
                dtype = {"float": "float32", "double": "float64"}.get(dtype, dtype)
            if name in self.counted:
                continue
            self.counted.add(name)
            values = onnx.numpy_helper.to_array(tensor)
            if dequantise is not None:
                zero = self._constant(dequantise, 2)
                axis, block = _int(dequantise, "axis", 1), _int(dequantise, "block_size", 0)
            else:
                zero = None if zero_slot is None else self._constant(node, zero_slot)
                axis, block = slots.output_channel_axis, 0
            total += int(values.size)
            mask = zero_mask(values, zero, axis, block)
            zeros += int(np.count_nonzero(mask))
            whole += whole_zeros(mask, _int(node, "group", 1))
        return _Counted(total, zeros, whole, stem, dtype)

    def _source(self, node: onnx.NodeProto, slot: int) -> tuple[str, onnx.NodeProto | None]:
        """The constant behind an input, and the DequantizeLinear that reads it directly."""
        if slot >= len(node.input):
            return "", None
        name, dequantise = node.input[slot], None
        seen = set()
        while name not in self.constants:
            maker = self.makers.get(name)
            # A model that was not loaded by `load_model` may make a value of itself.
            if maker is None or name in seen or not self._passes(maker):
                return "", None
            seen.add(name)
            dequantise = maker if maker.op_type == "DequantizeLinear" else None
            name = maker.input[0]
        return name, dequantise

    def _passes(self, maker: onnx.NodeProto) -> bool:
        """Whether what a node makes of a constant is that constant in other words."""
        if maker.op_type == "Mul":
            return maker.input[0] not in self.constants and maker.input[1] in self.constants
        return maker.op_type in _THROUGH and bool(maker.input)

    def _is_parameter(self, node: onnx.NodeProto, slot: int, name: str) -> bool:
        import onnx

        tensor = self.constants[name]
        kind = onnx.TensorProto.DataType.Name(tensor.data_type).lower()
        if not kind.startswith((*_NUMBERS, "double")):
            return False
        if node.op_type not in _ADDITIONS:
            return True
        # An addition's constant is a bias only if the other side is computed and it is no scalar.
        others = [self._source(node, other)[0] for other, _ in LAYERS[node.op_type].parameters]
        return prod(tensor.dims) > 1 and sum(bool(other) for other in others) == 1

    def _constant(self, node: onnx.NodeProto, slot: int) -> np.ndarray[Any, Any] | None:
        import onnx

        name = self._source(node, slot)[0]
        return onnx.numpy_helper.to_array(self.constants[name]) if name else None


def node_macs(node: onnx.NodeProto, shapes: Mapping[str, tuple[int | None, ...]]) -> int | None:
    """Multiply-accumulates of one node for tensors of these shapes; None where they are unknown.

    0 for what is no convolution and no matrix product.
    """
    slots = LAYERS.get(node.op_type)
    if slots is None or slots.product is None:
        return 0
    if len(node.input) <= max(slots.product):
        return None
    left, right = (shapes.get(node.input[slot]) for slot in slots.product)
    output = shapes.get(node.output[0])
    if left is None or right is None or output is None:
        return None
    if None in (*left, *right, *output) or not left or not right:
        return None
    if node.op_type == "ConvTranspose":
        return prod(_known(left)) * prod(_known(right)[1:])
    if "Conv" in node.op_type:
        return prod(_known(output)) * prod(_known(right)[1:])
    inner = -2 if _int(node, "transA", 0) else -1
    return prod(_known(output)) * _known(left)[inner]


def _stem(name: str) -> str:
    """``features.0.0`` for ``features.0.0.weight_quantized``; empty for any other name."""
    plain = name.removesuffix("_quantized").removesuffix("_stored")
    return plain.removesuffix(".weight") if plain.endswith(".weight") else ""


def _int(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((int(a.i) for a in node.attribute if a.name == name), default)


def _one(size: int | None, batch: int) -> int | None:
    return 1 if size == batch else size


def _known(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(size or 0 for size in shape)
