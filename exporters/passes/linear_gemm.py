"""Write a MatMul with constant weights and the bias added to it as one Gemm, for int8.

ONNX Runtime makes a Gemm of the two itself where their shapes let it (its MatMulAddFusion), before
it looks for int8, and leaves in float what is added. Its int8 Gemm adds none but an int32 bias, so
that the layer is computed in float, of weights that are dequantised each time. A Gemm that is there
before the quantiser runs gets an int32 bias, and rounds once where product and sum round twice.
A ViT-tiny at 64 pixels and a fixed batch of 1 takes 8.0 ms for 28 (AVX2, one thread).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .graph import (
    PassResult,
    constant,
    consumers,
    initialisers,
    replace_node,
    tensor_names,
    tensor_types,
    unique_name,
)

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["apply"]

_ACTIVATIONS = ("Clip", "HardSigmoid", "LeakyRelu", "Relu", "Sigmoid")
"""Work on each number by itself, and belong to the layer before them in int8: no Reshape may come
between."""

_Shapes = dict[str, tuple[int | None, ...]]


@dataclass(frozen=True, eq=False)
class _Linear:
    """A MatMul with constant weights, and what is to become one layer with it."""

    product: NodeProto
    reads: tuple[int, ...] = ()
    """Shape of its input; empty where that is a matrix."""
    makes: tuple[int, ...] = ()
    """Shape of its result, likewise."""
    sum: NodeProto | None = None
    bias: np.ndarray[Any, Any] | None = None
    """float32 [outputs], what ``sum`` adds."""
    activation: NodeProto | None = None


def apply(model: ModelProto) -> PassResult:
    """Precondition: constants are initialisers, opset 11 or later. Postcondition: no MatMul of a
    matrix with constant weights is left, and none of a tensor of a higher rank whose sizes are all
    known, if its only reader adds one constant for each output. It is a Gemm then, with that bias,
    between Reshapes if its input is no matrix.

    With an unknown size, as of a batch, a higher rank stays as it is: ONNX Runtime makes no Gemm of
    it either, and has an int8 kernel for the MatMul.
    """
    graph = model.graph
    if not any(node.op_type == "MatMul" for node in graph.node):
        return PassResult("linear_gemm")
    shapes = {name: shape for name, (_, shape) in tensor_types(model).items()}
    found = _find(graph, shapes)
    if not found:
        return PassResult("linear_gemm")
    taken = tensor_names(graph)
    rows: dict[str, str] = {}
    for linear in found:
        _rewrite(graph, linear, rows, taken)
    del graph.value_info[:]
    changes = tuple(linear.product.name or linear.product.output[0] for linear in found)
    return PassResult("linear_gemm", changes)


def _find(graph: GraphProto, shapes: dict[str, tuple[int | None, ...]]) -> list[_Linear]:
    import numpy as np

    counts, known = consumers(graph), initialisers(graph)
    readers = {name: node for node in graph.node for name in node.input}

    def only(node: NodeProto, *kinds: str) -> NodeProto | None:
        """The node of one of ``kinds`` that alone reads ``node``'s result."""
        name = node.output[0]
        reader = readers.get(name)
        if counts.get(name) != 1 or reader is None or reader.domain not in ("", "ai.onnx"):
            return None
        return reader if reader.op_type in kinds else None

    found = []
    for product in graph.node:
        if product.op_type != "MatMul" or product.domain not in ("", "ai.onnx"):
            continue
        shape = shapes.get(product.input[0], ())
        weight = constant(graph, product.input[1])
        if len(shape) < 2 or weight is None or weight.ndim != 2 or weight.dtype != np.float32:
            continue
        if not weight.size:
            continue
        matrix = len(shape) == 2
        after = only(product, "Add")
        bias = None if after is None else _bias(graph, product, after, len(shape), weight.shape[1])
        if after is None or bias is None:
            if matrix:
                found.append(_Linear(product))
            continue
        if matrix:
            found.append(_Linear(product, sum=after, bias=bias))
        elif all(shape[:-1]):
            active = only(after, *_ACTIVATIONS)
            # Bounds may be computed further on than where the layer stands.
            if active is not None and not all(name in known for name in active.input[1:] if name):
                active = None
            leading = tuple(size or 0 for size in shape[:-1])
            reads, makes = ((*leading, size) for size in weight.shape)
            found.append(_Linear(product, reads, makes, after, bias, active))
    return found


def _bias(
    graph: GraphProto, product: NodeProto, after: NodeProto, rank: int, outputs: int
) -> np.ndarray[Any, Any] | None:
    """What the Add ``after`` adds to ``product``, if that is a constant float for each output."""
    import numpy as np

    bias = constant(graph, after.input[1 if after.input[0] == product.output[0] else 0])
    if bias is None or bias.dtype != np.float32 or not 1 <= bias.ndim <= rank:
        return None
    fits = bias.shape[-1] == outputs and bias.size == outputs
    return bias.reshape(-1) if fits else None


def _rewrite(graph: GraphProto, linear: _Linear, rows: dict[str, str], taken: set[str]) -> None:
    """Put a Gemm for ``linear``. ``rows`` says what a tensor of a higher rank is called as a matrix
    where an earlier layer reads it so; it is added to."""
    import numpy as np
    from onnx import helper, numpy_helper

    def store(wanted: str, value: np.ndarray[Any, Any]) -> str:
        name = unique_name(wanted, taken)
        graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    source, weight = linear.product.input
    target = linear.product.output[0]
    operands = [weight]
    if linear.sum is not None and linear.bias is not None:
        target = linear.sum.output[0]
        operands.append(store(f"{target}/bias", linear.bias))
        graph.node.remove(linear.sum)
    if not linear.reads:
        gemm = helper.make_node("Gemm", [source, *operands], [target], linear.product.name)
        replace_node(graph, linear.product, [gemm])
        return
    new = []
    if source not in rows:
        rows[source] = unique_name(f"{source}/rows", taken)
        shape = store(f"{source}/rows_shape", np.array([-1, linear.reads[-1]], np.int64))
        new.append(helper.make_node("Reshape", [source, shape], [rows[source]], rows[source]))
    made = unique_name(f"{target}/rows", taken)
    new.append(helper.make_node("Gemm", [rows[source], *operands], [made], linear.product.name))
    if linear.activation is not None:
        active = type(linear.activation).FromString(linear.activation.SerializeToString())
        graph.node.remove(linear.activation)
        target = active.output[0]
        active.input[0], active.output[0] = made, unique_name(f"{target}/rows", taken)
        made = active.output[0]
        new.append(active)
    shape = store(f"{target}/shape", np.array(linear.makes, np.int64))
    new.append(helper.make_node("Reshape", [made, shape], [target], f"{target}/shaped"))
    replace_node(graph, linear.product, new)
