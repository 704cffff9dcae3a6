"""Store what nodes compute from constants alone: standardised weights, reshaped or cast ones, sums.

PyTorch's weight standardisation and weight_norm stay in the graph, its TorchScript exporter hands
parameters that are equal on by Identity, Caffe's converters give each scale a Reshape of its own,
and ONNX's own test models make their weights with ConstantOfShape.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from .graph import PassResult, initialisers, subgraphs
from .node_values import node_sizes, node_values

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

__all__ = ["apply", "fold"]

_FEW = 1 << 16
"""Elements that a result may have in any case."""

_TIMES = 4
"""How many times the elements it is made of a larger result may have."""

_LARGEST_FILLING = 1 << 27
"""Elements (512 MiB) of a weight that ConstantOfShape makes: more than VGG-19 has in a layer."""

_FEW_BYTES = 1 << 10
"""Bytes that whole numbers may have in any case where the file is not to grow; floats that take
more than what they are made of are weights stored as int8."""

_STAY = {"Bernoulli", "Constant", "DequantizeLinear", "Multinomial", "QuantizeLinear"}
"""Not the same each time, or meant to be stored as they are; with all whose name has Random."""

_WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
_SAME_NUMBERS = {"Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}


def apply(model: ModelProto) -> PassResult:
    """Precondition: constants are initialisers, nodes in topological order. Postcondition: no node
    of a standard, deterministic operator reads constants alone, unless it makes a graph output,
    holds a graph, is one that ONNX Runtime cannot compute, or makes more than 65536 numbers and
    more than four for each it is made of (a weight filled with one number may have more)."""
    return fold(model)


def fold(model: ModelProto, *, grow: bool = True) -> PassResult:
    """As `apply`. Without ``grow``, no result but copies and whole numbers of up to 1 KiB may
    take more bytes than what it is made of, or be made of what is stored all the same."""
    graph = model.graph
    known = initialisers(graph)
    made_of = {name: frozenset([name]) for name in known}
    sizes = {name: (prod(tensor.dims), tensor.ByteSize()) for name, tensor in known.items()}
    weights = _weights(graph)
    kept = frozenset() if grow else _read_otherwise(graph, set(known))
    outputs = {value.name for value in graph.output}
    changes = []
    for node in list(graph.node):
        names = list(dict.fromkeys(filter(None, node.input)))
        if not names or not all(n in known for n in names) or not _foldable(node):
            continue
        if outputs & set(node.output):
            continue
        inputs = [known[name] for name in names]
        basis = frozenset[str]().union(*(made_of[name] for name in names))
        if node.op_type == "Identity":
            values: tuple[TensorProto, ...] | None = (_copy(inputs[0], node.output[0]),)
        elif node.op_type == "ConstantOfShape" and grow and node.output[0] in weights:
            filled = _within(model, node, inputs, _LARGEST_FILLING)
            values = node_values(model, node, inputs) if filled else None
            for value in values or ():
                basis = frozenset([value.name])
                sizes[value.name] = (prod(value.dims), value.ByteSize())
        else:
            most = max(_FEW, _TIMES * sum(sizes[name][0] for name in basis))
            bytes_of = {name: sizes[name][1] for name in basis}
            held = any(bytes_of[name] > _FEW_BYTES for name in basis & kept)
            given = None if grow else 0 if held else sum(bytes_of.values())
            fits = _within(model, node, inputs, most, given)
            values = node_values(model, node, inputs) if fits else None
        if values is None:
            continue
        graph.initializer.extend(values)
        known.update((value.name, value) for value in values)
        made_of.update((value.name, basis) for value in values)
        graph.node.remove(node)
        changes += [value.name for value in values]
    return PassResult("computed_constants", tuple(changes))


def _weights(graph: GraphProto) -> set[str]:
    """What layers read as their weights, and what these hold the same numbers as."""
    weights: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type in _WEIGHTED and len(node.input) > 1:
            weights.add(node.input[1])
        elif node.op_type in _SAME_NUMBERS and node.output[0] in weights:
            weights.add(node.input[0])
    return weights


def _foldable(node: NodeProto) -> bool:
    if node.domain not in ("", "ai.onnx") or node.op_type in _STAY or "Random" in node.op_type:
        return False
    if node.op_type == "Dropout" and len(node.input) > 2:
        return False
    return not any(item.HasField("g") or item.graphs for item in node.attribute)


def _read_otherwise(graph: GraphProto, constants: set[str]) -> frozenset[str]:
    """Initialisers that somebody reads beside what computes from constants alone."""
    computed, kept = set(constants), {value.name for value in graph.output}
    for node in graph.node:
        if _foldable(node) and all(name in computed for name in node.input if name):
            computed.update(node.output)
        else:
            kept.update(node.input)
    for nested in list(subgraphs(graph))[1:]:
        kept.update(name for node in nested.node for name in node.input)
    return frozenset(kept & constants)


def _within(
    model: ModelProto,
    node: NodeProto,
    inputs: list[TensorProto],
    elements: int,
    size_bytes: int | None = None,
) -> bool:
    """Whether what the node makes is no larger than that; whole numbers may have a few bytes."""
    from onnx import helper

    found = node_sizes(model, node, inputs)
    if found is None or sum(count for _, count in found) > elements:
        return False
    widths = [helper.tensor_dtype_to_np_dtype(kind).itemsize for kind, _ in found]
    taken = sum(width * count for width, (_, count) in zip(widths, found, strict=True))
    if size_bytes is None:
        return True
    whole = all(helper.tensor_dtype_to_np_dtype(kind).kind in "biu" for kind, _ in found)
    return taken <= (max(_FEW_BYTES, size_bytes) if whole else size_bytes)


def _copy(tensor: TensorProto, name: str) -> TensorProto:
    from onnx import TensorProto

    copy = TensorProto()
    copy.CopyFrom(tensor)
    copy.name = name
    return copy
