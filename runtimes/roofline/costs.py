"""What each layer of a graph has to compute and to move, for one batch.

Bytes are those of what a layer reads (its inputs and weights) and what it writes, each in the type
it is stored in: one an element for int8, whatever Q/DQ stand around it. Scales, zero-points, shapes
and bounds are not counted: they are some bytes a channel at most. Biases are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..onnx_model.graph import LAYERS, node_macs
from .layers import ARITHMETIC, Layer, find_layers
from .tensors import Tensors

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx

__all__ = ["LayerCost", "layer_costs"]

_OPERANDS: dict[str, tuple[int, ...]] = {
    "ConvInteger": (0, 1),
    "DequantizeLinear": (0,),
    "DynamicQuantizeMatMul": (0, 1, 4),
    "MatMulInteger": (0, 1),
    "MatMulIntegerToFloat": (0, 1, 6),
    "QGemm": (0, 3, 6),
    "QLinearAdd": (0, 3),
    "QLinearAveragePool": (0,),
    "QLinearConv": (0, 3, 8),
    "QLinearGlobalAveragePool": (0,),
    "QLinearLeakyRelu": (0,),
    "QLinearMatMul": (0, 3),
    "QLinearMul": (0, 3),
    "QLinearSigmoid": (0,),
    "QLinearSoftmax": (0,),
    "QuantizeLinear": (0,),
}
"""The inputs that are data, of operators that take scales and zero-points beside it."""

_SELECTING = ("Gather", "GatherElements", "GatherND", "Slice")
"""Read no more of their input than they write."""

_UNCOUNTED = (
    *("Attention", "Einsum", "GRU", "GroupQueryAttention", "If", "LSTM", "Loop"),
    *("MultiHeadAttention", "RNN", "Scan"),
)
"""Compute more than is counted here."""


@dataclass(frozen=True)
class LayerCost:
    """One layer's work for one batch; None is what the graph does not tell."""

    name: str
    op: str
    int8: bool
    """Whether it is computed on 8-bit integers."""
    macs: int | None
    """Multiply-accumulates; 0 for what only moves values, or changes them one by one."""
    weight_bytes: int | None
    """Constants it reads: weights and biases."""
    activation_bytes: int | None
    """What it reads that was computed before, and what it writes."""
    makes: tuple[str, ...]
    """The tensors that it makes, those included that never leave it."""

    @property
    def bytes(self) -> int | None:
        """All that it reads and writes."""
        if self.weight_bytes is None or self.activation_bytes is None:
            return None
        return self.weight_bytes + self.activation_bytes


def layer_costs(
    model: onnx.ModelProto, image: tuple[int, int, int], batch_size: int = 1
) -> tuple[LayerCost, ...]:
    """The layers of ``model`` in the order of its graph, fed ``batch_size`` images.

    ``image`` is (channels, height, width); sizes that the graph fixes are the graph's.
    """
    tensors = Tensors(model, image, batch_size)
    return tuple(_cost(layer, tensors) for layer in find_layers(model, tensors))


def _cost(layer: Layer, tensors: Tensors) -> LayerCost:
    read = [name for node in layer.nodes for name in _operands(node)]
    # What is done along with the node reads its result, which never leaves the layer.
    inner = [name for node in layer.nodes[:-1] for name in node.output]
    read = [name for name in dict.fromkeys(read) if name and name not in inner]
    weights = [name for name in read if _is_weight(name, layer, tensors)]
    computed = [name for name in read if not _is_weight(name, layer, tensors)]
    written = _total(tensors.size_bytes(name) for name in layer.outputs)
    if layer.op in _SELECTING:
        activations = None if written is None else 2 * written
    else:
        activations = _total((written, *(_stored_bytes(name, layer, tensors) for name in computed)))
    counted = [name for name in weights if _counts(name, layer, tensors)]
    return LayerCost(
        name=layer.name,
        op=layer.op,
        int8=layer.int8,
        macs=None if layer.op in _UNCOUNTED else node_macs(layer.nodes[0], tensors.shapes),
        weight_bytes=_total(_stored_bytes(name, layer, tensors) for name in counted),
        activation_bytes=activations,
        makes=tuple(dict.fromkeys(filter(None, (*inner, *layer.nodes[-1].output, *layer.outputs)))),
    )


def _operands(node: onnx.NodeProto) -> list[str]:
    if node.op_type == "QLinearConcat":
        return list(node.input[2::3])
    slots = _OPERANDS.get(node.op_type)
    if slots is None:
        return list(node.input)
    return [node.input[slot] for slot in slots if slot < len(node.input)]


def _is_weight(name: str, layer: Layer, tensors: Tensors) -> bool:
    return tensors.is_constant(_stored(name, layer, tensors))


def _counts(name: str, layer: Layer, tensors: Tensors) -> bool:
    """Whether a constant is weights, and no shape, bound or single number."""
    if tensors.elements(name) == 1:
        return False
    readers = [node.op_type for node in layer.nodes if name in node.input]
    return any(op in LAYERS or op in ARITHMETIC or op == "DequantizeLinear" for op in readers)


def _stored(name: str, layer: Layer, tensors: Tensors) -> str:
    """The tensor that holds ``name`` in memory: for an int8 layer the integers before the Q/DQ."""
    maker = tensors.makers.get(name)
    if layer.int8 and maker is not None and maker.op_type == "DequantizeLinear":
        return str(maker.input[0])
    return name


def _stored_bytes(name: str, layer: Layer, tensors: Tensors) -> int | None:
    return tensors.size_bytes(name, like=_stored(name, layer, tensors))


def _total(sizes: Iterable[int | None]) -> int | None:
    known = list(sizes)
    return None if None in known else sum(size for size in known if size is not None)
