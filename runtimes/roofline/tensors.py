"""The tensors of a graph for one batch: shape, bytes, constant or computed, and who reads them."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from ..onnx_model.shapes import graph_inputs, infer_shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

__all__ = ["Tensors", "attribute"]

_OUTPUT_ZERO: dict[str, int] = {
    "QGemm": 8,
    "QLinearAdd": 7,
    "QLinearConcat": 1,
    "QLinearConv": 7,
    "QLinearMatMul": 7,
    "QLinearMul": 7,
    "QuantizeLinear": 2,
}
"""Which input has the type of what comes out: the zero-point of the result."""

_FIXED_OUTPUT: dict[str, str] = {
    "ArgMax": "INT64",
    "ArgMin": "INT64",
    "ConvInteger": "INT32",
    "DynamicQuantizeMatMul": "FLOAT",
    "MatMulInteger": "INT32",
    "MatMulIntegerToFloat": "FLOAT",
    "Shape": "INT64",
    "Size": "INT64",
}


class Tensors:
    """What is known of the values of ``model`` where it is fed a batch of ``batch_size`` images.

    Constant are initialisers, what nodes make of them alone (a runtime folds these when it loads
    the file), and shapes with all that is computed from them. The result of a DequantizeLinear is
    not constant: ONNX Runtime computes it again each time where no int8 layer takes it in.
    """

    def __init__(
        self, model: onnx.ModelProto, image: tuple[int, int, int], batch_size: int
    ) -> None:
        graph = model.graph
        feeds: dict[str, tuple[int, ...]] = {}
        for position, spec in enumerate(graph_inputs(model)):
            sizes = list(spec.shape)
            if position == 0 and len(sizes) == 4:
                given = (batch_size, *image)
                sizes = [own or size for own, size in zip(sizes, given, strict=True)]
            feeds[spec.name] = tuple(size or 1 for size in sizes)
        self.shapes = infer_shapes(model, feeds)
        """Sizes by name, None for those that cannot be told; absent where nothing can."""
        self.outputs = frozenset(value.name for value in graph.output)
        self.makers: dict[str, onnx.NodeProto] = {}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        self._initialisers = {tensor.name: tensor for tensor in graph.initializer}
        self._constants = set(self._initialisers) - {value.name for value in graph.input}
        self._types: dict[str, int] = {t.name: t.data_type for t in graph.initializer}
        self._types.update((v.name, v.type.tensor_type.elem_type) for v in graph.input)
        for node in graph.node:
            for name in dict.fromkeys(name for name in node.input if name):
                self.readers.setdefault(name, []).append(node)
            for position, name in enumerate(name for name in node.output if name):
                self.makers[name] = node
                self._types[name] = self._type_of_output(node, position)
            if self._is_folded(node):
                self._constants.update(node.output)

    def is_constant(self, name: str) -> bool:
        """Whether the value is the same for every batch of this size, and known before it."""
        return name in self._constants

    def value(self, name: str) -> Any:
        """The NumPy array of an initialiser, or of a Constant node; None for any other tensor."""
        import onnx

        tensor = self._initialisers.get(name)
        maker = self.makers.get(name)
        if tensor is None and maker is not None and maker.op_type == "Constant":
            tensor = attribute(maker, "value")
        return None if tensor is None else onnx.numpy_helper.to_array(tensor)

    def elements(self, name: str) -> int | None:
        """How many numbers it holds; None where its shape cannot be told."""
        shape = self.shapes.get(name)
        if shape is None or None in shape:
            return None
        return prod(size for size in shape if size is not None)

    def size_bytes(self, name: str, like: str | None = None) -> int | None:
        """The bytes it takes; ``like`` names a tensor that says how it is stored, if not itself."""
        elements, bits = self.elements(name), self._bits(like or name)
        return None if elements is None or not bits else (elements * bits + 7) // 8

    def is_8_bit(self, name: str) -> bool:
        """Whether it holds whole numbers of 8 bits or fewer."""
        import onnx

        kind = onnx.TensorProto.DataType.Name(self._types.get(name, 0))
        return kind in ("INT8", "UINT8", "INT4", "UINT4", "INT2", "UINT2")

    def only_reader(self, name: str) -> onnx.NodeProto | None:
        """The node that alone reads a value; None where there are more, or it is a result."""
        readers = self.readers.get(name, ())
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def _bits(self, name: str) -> int:
        import onnx

        kind = self._types.get(name, 0)
        named = onnx.TensorProto.DataType.Name(kind)
        for bits in (2, 4):
            if named in (f"INT{bits}", f"UINT{bits}") or named.startswith(f"FLOAT{bits}E"):
                return bits
        try:
            return int(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize) * 8
        except (KeyError, TypeError, ValueError):
            return 0

    def _is_folded(self, node: onnx.NodeProto) -> bool:
        if node.op_type in ("Constant", "Shape", "Size"):
            return True
        if node.op_type == "DequantizeLinear" or node.op_type.startswith("Random"):
            return False
        inputs = [name for name in node.input if name]
        nested = any(item.HasField("g") for item in node.attribute)
        return bool(inputs) and not nested and all(name in self._constants for name in inputs)

    def _type_of_output(self, node: onnx.NodeProto, position: int) -> int:
        import onnx

        kinds, op = onnx.TensorProto, node.op_type
        if op in _FIXED_OUTPUT:
            return int(kinds.DataType.Value(_FIXED_OUTPUT[op]))
        if op == "Constant":
            tensor = attribute(node, "value")
            return int(tensor.data_type) if tensor is not None else kinds.FLOAT
        if op == "Cast":
            return int(attribute(node, "to", kinds.FLOAT))
        if op == "DynamicQuantizeLinear":
            return (kinds.UINT8, kinds.FLOAT, kinds.UINT8)[position]
        if op == "MaxPool" and position:
            return kinds.INT64
        if op in _OUTPUT_ZERO:
            zero = _input(node.input, _OUTPUT_ZERO[op])
            if not zero:
                unnamed = kinds.FLOAT if op == "QGemm" else kinds.UINT8
                return int(attribute(node, "output_dtype", 0) or unnamed)
            return self._types.get(zero, 0)
        source = 1 if op in ("DequantizeLinear", "Where") else 0
        return self._types.get(_input(node.input, source), 0)


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """An attribute's value as a Python object."""
    import onnx

    for item in node.attribute:
        if item.name == name:
            return onnx.helper.get_attribute_value(item)
    return default


def _input(inputs: Sequence[str], position: int) -> str:
    return inputs[position] if position < len(inputs) else ""
