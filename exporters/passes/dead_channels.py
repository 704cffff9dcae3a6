"""Remove pruned channels: those that carry a constant, or that nobody reads, along linear chains.

A chain runs from a convolution or fully-connected layer through layers that keep channels apart
(activations, pooling, depthwise convolutions, Flatten) to the next one, with one reader each. A
channel of it is dead where

- its value is the same constant for every input: its filter is zero here, or a zero depthwise
  filter cuts it off. A constant other than zero moves into the reader's bias, which is exact
  unless the reader pads with zeros; or
- the reader has only zeros for it.

Dead channels leave every weight of the chain, so the outputs stay what they were.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .graph import PassResult, attribute, constant, consumers, subgraphs

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto, ModelProto, NodeProto

    Array = np.ndarray[Any, Any]

__all__ = ["ROUND_TO", "apply"]

ROUND_TO = 8
"""Kept channels are rounded up to this multiple: ONNX Runtime's vector kernels work in blocks of 8
channels, and odd counts cost more time than the few zeros that stay."""

_POOLS = ("AveragePool", "GlobalAveragePool", "MaxPool", "GlobalMaxPool")
_KEEP_VALUES = ("Dropout", "Flatten", "GlobalAveragePool", "GlobalMaxPool", "Identity", "MaxPool")


@dataclass
class _Chain:
    producer: NodeProto
    consumer: NodeProto
    between: list[NodeProto] = field(default_factory=list)


def apply(model: ModelProto) -> PassResult:
    """Precondition: batch-norms are folded. Postcondition: no chain holds `ROUND_TO` or more
    channels that could be removed exactly."""
    graph = model.graph
    changes = []
    for _ in range(len(graph.node) + 1):
        removed = [text for chain in _chains(graph) if (text := _shrink(graph, chain))]
        if not removed:
            break
        changes += removed
    if changes:
        del graph.value_info[:]
    return PassResult("dead_channels", tuple(changes))


def _chains(graph: GraphProto) -> list[_Chain]:
    counts = consumers(graph)
    reader = {name: node for node in graph.node for name in node.input}
    chains = []
    for node in graph.node:
        if not _is_full(graph, node):
            continue
        chain = _Chain(node, node)
        tensor = node.output[0]
        while counts.get(tensor) == 1 and (follower := reader.get(tensor)) is not None:
            if follower.input[0] != tensor:
                break
            if _is_full(graph, follower):
                chain.consumer = follower
                chains.append(chain)
                break
            if not _keeps_channels(graph, follower):
                break
            chain.between.append(follower)
            tensor = follower.output[0]
    return chains


def _is_full(graph: GraphProto, node: NodeProto) -> bool:
    """A Conv of one group or a plain Gemm, with constant float weights read by it alone."""
    if node.op_type == "Conv":
        plain = attribute(node, "group", 1) == 1
    elif node.op_type == "Gemm":
        plain = (
            attribute(node, "transB", 0) == 1
            and attribute(node, "transA", 0) == 0
            and attribute(node, "alpha", 1.0) == 1.0
            and attribute(node, "beta", 1.0) == 1.0
        )
    else:
        return False
    return plain and _owns_weights(graph, node)


def _owns_weights(graph: GraphProto, node: NodeProto) -> bool:
    import numpy as np

    counts = consumers(graph)
    names = [name for name in node.input[1:] if name]
    values = [constant(graph, name) for name in names]
    return all(
        value is not None and value.dtype == np.float32 and counts[name] == 1
        for name, value in zip(names, values, strict=True)
    ) and (len(names) < 2 or values[1].ndim == 1)  # type: ignore[union-attr]


def _keeps_channels(graph: GraphProto, node: NodeProto) -> bool:
    if node.domain not in ("", "ai.onnx") or len(node.output) > 1:
        return False
    if node.op_type == "Conv":
        weight = constant(graph, node.input[1])
        return (
            weight is not None
            and weight.shape[1] == 1
            and attribute(node, "group", 1) == weight.shape[0]
            and _owns_weights(graph, node)
        )
    if node.op_type == "Flatten":
        return bool(attribute(node, "axis", 1) == 1)
    if node.op_type == "Clip":
        return all(not name or constant(graph, name) is not None for name in node.input[1:])
    return node.op_type in (*_POOLS, *_KEEP_VALUES, "Relu")


def _shrink(graph: GraphProto, chain: _Chain) -> str:
    """Remove the chain's dead channels; a line that says so, empty where there are none."""
    import numpy as np

    weight = constant(graph, chain.producer.input[1])
    reading = constant(graph, chain.consumer.input[1])
    assert weight is not None
    assert reading is not None
    channels = weight.shape[0]
    if reading.shape[1] % channels:
        return ""
    blocks = reading.reshape(reading.shape[0], channels, -1)
    is_dead, constants = _constants(graph, chain)
    if _pads(chain.consumer):
        is_dead &= constants == 0
    unread = ~blocks.any(axis=(0, 2))
    constants[unread] = 0.0
    is_dead |= unread
    surplus = channels - max(-(-int((~is_dead).sum()) // ROUND_TO) * ROUND_TO, 1)
    if surplus <= 0:
        return ""
    # Channels that hold a constant go first: those that stay for the rounding are best all zero.
    candidates = np.flatnonzero(is_dead)
    candidates = candidates[np.argsort(constants[candidates] == 0, kind="stable")][:surplus]
    kept = np.ones(channels, dtype=bool)
    kept[candidates] = False
    shift = (blocks[:, ~kept].sum(axis=2, dtype=np.float64) * constants[~kept]).sum(axis=1)
    for node in (chain.producer, *(n for n in chain.between if n.op_type == "Conv")):
        for name in (name for name in node.input[1:] if name):
            values = constant(graph, name)
            assert values is not None
            _store(graph, name, values[kept])
        if node is not chain.producer:
            _set_groups(node, int(kept.sum()))
    narrow = blocks[:, kept].reshape(reading.shape[0], -1, *reading.shape[2:])
    _store(graph, chain.consumer.input[1], narrow)
    if shift.any():
        _add_bias(graph, chain.consumer, shift)
    return f"{chain.producer.input[1]}: {channels} to {int(kept.sum())} channels"


def _constants(graph: GraphProto, chain: _Chain) -> tuple[Array, Array]:
    """For each channel of the chain's end: whether it is constant, and its value (0 where not)."""
    import numpy as np

    weight, bias = _weights(graph, chain.producer)
    known: Array = np.asarray(~weight.reshape(len(weight), -1).any(axis=1))
    values: Array = np.where(known, bias, 0.0)
    for node in chain.between:
        if node.op_type == "Relu":
            values = np.maximum(values, 0.0)
        elif node.op_type == "Clip":
            low, high = _bound(graph, node, 1, "min"), _bound(graph, node, 2, "max")
            values = np.where(known, np.clip(values, low, high), 0.0)
        elif node.op_type == "Conv":
            weight, bias = _weights(graph, node)
            cut = ~weight.reshape(len(weight), -1).any(axis=1)
            # A constant other than zero differs at the border, where the padding reads zero.
            known = cut | (known & (values == 0))
            values = np.where(known, bias, 0.0)
        elif node.op_type == "AveragePool" and _pads(node):
            known &= values == 0
    return known, values


def _pads(node: NodeProto) -> bool:
    """Whether the node reads zeros beyond the border."""
    return any(attribute(node, "pads", ())) or attribute(node, "auto_pad", b"NOTSET").startswith(
        b"SAME"
    )


def _bound(graph: GraphProto, clip: NodeProto, index: int, name: str) -> float | None:
    """A Clip's bound, from its input (opset 11 on) or its attribute."""
    if len(clip.input) > index and clip.input[index]:
        value = constant(graph, clip.input[index])
        assert value is not None
        return float(value)
    bound = attribute(clip, name)
    return None if bound is None else float(bound)


def _weights(graph: GraphProto, node: NodeProto) -> tuple[Array, Array]:
    import numpy as np

    weight = constant(graph, node.input[1])
    assert weight is not None
    bias = constant(graph, node.input[2]) if len(node.input) > 2 and node.input[2] else None
    return weight, np.zeros(len(weight), np.float32) if bias is None else bias


def _store(graph: GraphProto, name: str, values: Array) -> None:
    import numpy as np
    from onnx import numpy_helper

    tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), name))


def _set_groups(node: NodeProto, groups: int) -> None:
    for item in node.attribute:
        if item.name == "group":
            item.i = groups


def _add_bias(graph: GraphProto, node: NodeProto, shift: Array) -> None:
    import numpy as np
    from onnx import numpy_helper

    if len(node.input) > 2 and node.input[2]:
        bias = constant(graph, node.input[2])
        assert bias is not None
        _store(graph, node.input[2], (bias + shift).astype(np.float32))
        return
    taken = {tensor.name for nested in subgraphs(graph) for tensor in nested.initializer}
    name = f"{node.input[1]}_bias"
    while name in taken:
        name += "_"
    graph.initializer.append(numpy_helper.from_array(shift.astype(np.float32), name))
    del node.input[2:]
    node.input.append(name)
