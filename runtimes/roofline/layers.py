"""The layers of a graph as a runtime computes them: activations in the layer before, Q/DQ in int8.

A roofline asks what a layer has to compute and to move. So a node that works element by element on
the result of a layer, and is the only one to read it, belongs to that layer: it is done as the
result is made. Reshape and its like only call the same bytes by another shape and are no layers,
nor is what constants alone go into. DequantizeLinear and QuantizeLinear around a layer that ONNX
Runtime's CPU provider computes on integers say just that, and belong to it; all others are borders
that read one type and write the other, and so layers of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..onnx_model.graph import LAYERS
from .tensors import attribute

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx

    from .tensors import Tensors

__all__ = ["ARITHMETIC", "Layer", "find_layers", "multiplies"]

_VIEWS = ("Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")
"""Their result is their input under another shape."""

_BORDERS = ("DequantizeLinear", "QuantizeLinear")

_POINTWISE = (
    *("Abs", "BatchNormalization", "Cast", "Ceil", "Celu", "Clip", "Elu", "Erf", "Exp", "Floor"),
    *("Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Mish", "Neg", "PRelu", "QuickGelu"),
    *("QLinearLeakyRelu", "QLinearSigmoid", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Softplus"),
    *("Softsign", "Sqrt", "Tanh", "ThresholdedRelu"),
)
ARITHMETIC = (
    *("Add", "Div", "Max", "Mean", "Min", "Mul", "Pow", "QLinearAdd", "QLinearMul", "Sub", "Sum"),
    "Where",
)
"""Element by element too; with constants but for one input, like an activation."""

_SATURATING = ("Clip", "Relu")
"""What an int8 layer does by the range of its integers."""

_INT8_ANY_OUTPUT = ("Gemm", "MatMul")
"""Layers with int8 kernels that hand out float as well as integers."""

_INT8_ROUNDED = (
    *("Add", "AveragePool", "Clip", "Concat", "Conv", "Flatten", "Gather", "GlobalAveragePool"),
    *("LeakyRelu", "MaxPool", "Mul", "Pad", "Relu", "Reshape", "Resize", "Sigmoid", "Slice"),
    *("Softmax", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
)
"""Nodes that are computed on integers where a DequantizeLinear makes what they read and a
QuantizeLinear reads what they make."""


@dataclass(frozen=True)
class Layer:
    """A node that computes or moves something, with all that is done along with it."""

    name: str
    """Of the node, or of its first output where it has none of its own."""
    op: str
    nodes: tuple[onnx.NodeProto, ...]
    """The node itself first, then what follows element by element; no Q/DQ."""
    outputs: tuple[str, ...]
    """What leaves the layer, in the type that it is stored in."""
    int8: bool


def find_layers(model: onnx.ModelProto, tensors: Tensors) -> tuple[Layer, ...]:
    """The layers of ``model``, in the order of its graph."""
    return _Finder(model, tensors).find()


def multiplies(op: str) -> bool:
    """Whether an operator has multiply-accumulates that are counted."""
    return op in LAYERS and LAYERS[op].product is not None


class _Finder:
    def __init__(self, model: onnx.ModelProto, tensors: Tensors) -> None:
        self._graph = model.graph
        self._tensors = tensors
        self._taken: set[int] = set()
        self._int8: dict[int, tuple[list[onnx.NodeProto], tuple[str, ...]]] = {}
        """By the id of its first node: the nodes and outputs of what is int8 between borders."""
        self._integers: set[str] = set()
        self._names: set[str] = set()

    def find(self) -> tuple[Layer, ...]:
        for node in self._graph.node:
            self._look_for_int8(node)
        absorbed = {id(node) for node in self._graph.node if self._is_absorbed(node)}
        layers = []
        for node in self._graph.node:
            if id(node) in self._taken | absorbed or self._is_nothing(node):
                continue
            members, outputs = self._int8.get(id(node)) or self._with_followers(node)
            self._taken.update(map(id, members))
            if self._is_view(node):
                continue
            int8 = id(node) in self._int8 or self._reads_integers(node)
            layers.append(Layer(self._name(node), node.op_type, tuple(members), outputs, int8))
        return tuple(layers)

    def _look_for_int8(self, node: onnx.NodeProto) -> None:
        """Note what a layer between DequantizeLinear and QuantizeLinear takes in."""
        if id(node) in self._taken or node.op_type not in (*_INT8_ANY_OUTPUT, *_INT8_ROUNDED):
            return
        if not all(self._dequantised(name) for name in self._operands(node)):
            return
        members = [node]
        rounded = self._rounded(node.output)
        if not rounded and len(node.output) == 1:
            reader = self._tensors.only_reader(node.output[0])
            if reader is not None and reader.op_type in _SATURATING:
                rounded = self._rounded(reader.output)
                if rounded and self._saturates(reader, rounded[0]):
                    members.append(reader)
                else:
                    rounded = ()
        if rounded or node.op_type in _INT8_ANY_OUTPUT:
            self._int8[id(node)] = (members, rounded or tuple(node.output))
            self._integers.update(rounded)
            self._taken.update(map(id, members[1:]))

    def _operands(self, node: onnx.NodeProto) -> list[str]:
        """The inputs that must be integers for the node to be int8."""
        if node.op_type in ("Conv", *_INT8_ANY_OUTPUT):
            return list(node.input[:2])
        if node.op_type in ("Add", "Concat", "Mul"):
            return list(node.input)
        return list(node.input[:1])

    def _dequantised(self, name: str) -> bool:
        maker = self._tensors.makers.get(name)
        if maker is None or maker.op_type != "DequantizeLinear":
            return False
        return self._tensors.is_8_bit(maker.input[0])

    def _rounded(self, names: Iterable[str]) -> tuple[str, ...]:
        """The integers that QuantizeLinear makes of each of ``names``; empty if others read one."""
        found = []
        for name in names:
            readers = self._tensors.readers.get(name, [])
            if name in self._tensors.outputs or not readers:
                return ()
            if any(reader.op_type != "QuantizeLinear" for reader in readers):
                return ()
            found.append(readers[0].output[0])
        return tuple(found)

    def _saturates(self, node: onnx.NodeProto, integers: str) -> bool:
        """Whether a Relu or Clip bounds nothing that the range of its integers does not."""
        import numpy as np

        quantise = self._tensors.makers[integers]
        scale = self._tensors.value(quantise.input[1])
        zero = self._tensors.value(quantise.input[2]) if len(quantise.input) > 2 else np.uint8(0)
        if scale is None or zero is None or scale.size != 1:
            return False
        limits = np.iinfo(zero.dtype)
        least, greatest = ((end - int(zero)) * float(scale) for end in (limits.min, limits.max))
        low, high = self._bounds(node)
        slack = float(scale) / 2
        return least >= low - slack and greatest <= high + slack

    def _bounds(self, node: onnx.NodeProto) -> tuple[float, float]:
        if node.op_type == "Relu":
            return 0.0, float("inf")
        found = [float(attribute(node, "min", "-inf")), float(attribute(node, "max", "inf"))]
        for position, name in enumerate(node.input[1:3]):
            value = self._tensors.value(name) if name else None
            if value is not None and value.size == 1:
                found[position] = float(value)
        return found[0], found[1]

    def _is_absorbed(self, node: onnx.NodeProto) -> bool:
        """Whether a border is part of the int8 layers around it."""
        if node.op_type == "QuantizeLinear":
            return node.output[0] in self._integers
        if node.op_type == "DequantizeLinear":
            readers = self._tensors.readers.get(node.output[0], [])
            result = node.output[0] in self._tensors.outputs
            return not result and all(id(reader) in self._int8 for reader in readers)
        return False

    def _with_followers(self, node: onnx.NodeProto) -> tuple[list[onnx.NodeProto], tuple[str, ...]]:
        """The node and all that works element by element on its result alone; what comes out."""
        members = [node]
        takes = multiplies(node.op_type) or self._is_pointwise(node)
        while takes and len(members[-1].output) == 1:
            reader = self._tensors.only_reader(members[-1].output[0])
            if reader is None or id(reader) in self._int8 or not self._is_pointwise(reader):
                break
            if sum(not self._tensors.is_constant(name) for name in reader.input if name) > 1:
                break
            members.append(reader)
        return members, tuple(name for name in members[-1].output if name)

    def _is_pointwise(self, node: onnx.NodeProto) -> bool:
        return node.op_type in _POINTWISE or node.op_type in ARITHMETIC

    def _is_nothing(self, node: onnx.NodeProto) -> bool:
        """Whether all that a node makes is known when the file is loaded."""
        return all(self._tensors.is_constant(name) for name in node.output if name)

    def _is_view(self, node: onnx.NodeProto) -> bool:
        if node.op_type in _VIEWS:
            return True
        if node.op_type != "Transpose":
            return False
        shape = self._tensors.shapes.get(node.input[0])
        if shape is None:
            return False
        order = attribute(node, "perm") or list(range(len(shape)))[::-1]
        wide = [axis for axis in order if shape[axis] != 1]
        return wide == sorted(wide)

    def _reads_integers(self, node: onnx.NodeProto) -> bool:
        if node.op_type in (*_BORDERS, "DynamicQuantizeLinear"):
            return False
        data = node.input[2:3] if node.op_type == "QLinearConcat" else node.input[:1]
        return any(self._tensors.is_8_bit(name) for name in data)

    def _name(self, node: onnx.NodeProto) -> str:
        made = next((name for name in node.output if name), node.op_type)
        name = made if not node.name or node.name in self._names else node.name
        self._names.add(name)
        return name
