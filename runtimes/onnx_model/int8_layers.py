"""Which layers of an ONNX graph multiply 8-bit integers, by what the file says.

That is what a runtime may compute in int8, not what one does: kernels that are missing, and nodes
that one fuses or does not, only show when it runs (`nnc quantise --explain`). A layer whose weights
alone are integers, be it by DequantizeLinear or by Cast and Mul, is float arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

__all__ = ["Int8Layers"]

_ON_INTEGERS = ("ConvInteger", "MatMulInteger", "QGemm", "QLinearConv", "QLinearMatMul")
"""Take integers themselves; all but 8 bits are refused by their definition."""

_RESHAPED = ("Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""May stand between a DequantizeLinear and the layer: they move values unchanged."""


class Int8Layers:
    """Follows what layers multiply back to the DequantizeLinear that makes it, if one does."""

    def __init__(
        self,
        constants: Mapping[str, onnx.TensorProto],
        makers: Mapping[str, onnx.NodeProto],
    ) -> None:
        """``constants`` by name, and the nodes by the names of what they make."""
        self._constants = constants
        self._makers = makers

    def multiplies_int8(self, node: onnx.NodeProto, product: tuple[int, int]) -> bool:
        """Whether both inputs of ``node`` at the indices ``product`` are 8-bit integers."""
        if node.op_type in _ON_INTEGERS:
            return True
        return all(
            slot < len(node.input) and self._dequantised(node.input[slot]) for slot in product
        )

    def _dequantised(self, name: str) -> bool:
        seen: set[str] = set()
        while name not in seen and (maker := self._makers.get(name)) is not None:
            seen.add(name)
            if maker.op_type == "DequantizeLinear":
                return self._reads_bytes(maker)
            if maker.op_type not in _RESHAPED or not maker.input:
                break
            name = maker.input[0]
        return False

    def _reads_bytes(self, dequantise: onnx.NodeProto) -> bool:
        """Whether it reads 8-bit integers: the type of its zero-point, or of what it reads."""
        import onnx

        if (own := self._zero_point(dequantise)) is None:
            own = self._element_type(dequantise.input[0] if dequantise.input else "")
        return own in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)

    def _element_type(self, name: str) -> int | None:
        """The type of integers, which nodes on the way to where they are rounded keep."""
        import onnx

        seen: set[str] = set()
        while name not in seen:
            seen.add(name)
            if name in self._constants:
                return int(self._constants[name].data_type)
            maker = self._makers.get(name)
            if maker is None or not maker.input:
                break
            if maker.op_type == "DynamicQuantizeLinear":
                return int(onnx.TensorProto.UINT8)
            if maker.op_type == "QuantizeLinear":
                said = next((a.i for a in maker.attribute if a.name == "output_dtype"), 0)
                return self._zero_point(maker) or int(said) or int(onnx.TensorProto.UINT8)
            name = maker.input[0]
        return None

    def _zero_point(self, border: onnx.NodeProto) -> int | None:
        """The type of a constant zero-point, which is that of the integers; None without."""
        tensor = self._constants.get(border.input[2]) if len(border.input) > 2 else None
        return None if tensor is None else int(tensor.data_type)
