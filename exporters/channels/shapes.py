"""Shapes of all tensors for one image, also where the graph computes them as it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...runtimes.onnx_model.shapes import graph_inputs, infer_shapes
from .reference import run_node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import ModelProto, NodeProto

    Array = np.ndarray[Any, Any]

__all__ = ["OTHER_SIDE", "UNKNOWN_SIDE", "settle_reshapes", "tensor_shapes"]

UNKNOWN_SIDE = 224
"""Pixels assumed for an image axis the graph leaves open."""

OTHER_SIDE = 160
"""Assumed to see what depends on it."""

_MOST_ROUNDS = 50
_LARGEST_SHAPE = 64
"""Elements of an integer tensor that may still be a shape or a part of one."""

_SHAPE_ARITHMETIC = {
    "Add", "Cast", "Concat", "ConstantOfShape", "Div", "Floor", "Gather", "Identity", "Max", "Min",
    "Mod", "Mul", "ReduceProd", "Reshape", "Slice", "Squeeze", "Sub", "Unsqueeze",
}  # fmt: skip


def tensor_shapes(
    model: ModelProto, *, batch: int = 1, side: int = UNKNOWN_SIDE
) -> dict[str, tuple[int | None, ...]]:
    """Shapes by tensor name, for a batch of one where that is open; unknown ones are absent or
    hold None.

    ONNX's own inference loses track where an exporter computes a shape from the batch size; here
    such integer arithmetic is carried out and inference tried again, as long as that helps.
    """
    import onnx
    from onnx import helper, numpy_helper

    feeds = {
        spec.name: tuple(
            size or (batch if axis == 0 else side) for axis, size in enumerate(spec.shape)
        )
        for spec in graph_inputs(model)
    }
    shapes = infer_shapes(model, feeds)
    small = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if np.prod(tensor.dims) <= _LARGEST_SHAPE
    }
    opset = next((e.version for e in model.opset_import if e.domain in ("", "ai.onnx")), 17)
    for _ in range(_MOST_ROUNDS):
        found = _arithmetic(model, shapes, small, opset)
        if not found:
            break
        small |= found
        skeleton = onnx.ModelProto()
        skeleton.ir_version = model.ir_version
        skeleton.opset_import.extend(model.opset_import)
        skeleton.functions.extend(model.functions)
        skeleton.graph.input.extend(model.graph.input)
        skeleton.graph.output.extend(model.graph.output)
        skeleton.graph.node.extend(n for n in model.graph.node if n.output[0] not in small)
        for tensor in model.graph.initializer:
            if tensor.name not in small:
                skeleton.graph.input.append(
                    helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
                )
        skeleton.graph.initializer.extend(
            numpy_helper.from_array(value, name) for name, value in small.items()
        )
        shapes = infer_shapes(skeleton, feeds)
    return shapes


def settle_reshapes(model: ModelProto) -> None:
    """Make the targets of Reshape nodes constant, in place, where the graph computes them.

    For graphs whose first dimension is the batch throughout: it is what is left over.
    """
    from onnx import numpy_helper

    constants = {tensor.name for tensor in model.graph.initializer}
    computed = [
        node
        for node in model.graph.node
        if node.op_type == "Reshape" and node.input[1] not in constants
    ]
    shapes = tensor_shapes(model) if computed else {}
    for node in computed:
        sizes = shapes.get(node.output[0])
        if sizes is not None and sizes and all(size is not None for size in sizes):
            name = f"{node.output[0]}/shape"
            target = np.array([-1, *sizes[1:]], np.int64)
            model.graph.initializer.append(numpy_helper.from_array(target, name))
            node.input[1] = name


def _arithmetic(
    model: ModelProto,
    shapes: dict[str, tuple[int | None, ...]],
    small: dict[str, Array],
    opset: int,
) -> dict[str, Array]:
    """Integer tensors that can be computed now and could not before."""
    found: dict[str, Array] = {}
    for node in model.graph.node:
        if node.output[0] in small or node.domain not in ("", "ai.onnx"):
            continue
        if node.op_type == "Shape":
            sizes = shapes.get(node.input[0])
            if sizes is not None and all(size is not None for size in sizes):
                taken = {item.name: item.i for item in node.attribute}
                part = slice(taken.get("start"), taken.get("end"))
                found[node.output[0]] = np.array(sizes, np.int64)[part]
        elif node.op_type in _SHAPE_ARITHMETIC:
            inputs = [small.get(name, found.get(name)) if name else None for name in node.input]
            known = all(
                value is not None or not name
                for name, value in zip(node.input, inputs, strict=True)
            )
            if known and (value := _computed(node, inputs, opset)) is not None:
                found[node.output[0]] = value
    return found


def _computed(node: NodeProto, inputs: Sequence[Array | None], opset: int) -> Array | None:
    first = inputs[0] if inputs else None
    if first is None or first.dtype.kind not in "iu":
        return None
    value = run_node(node, inputs, opset)
    small = value.dtype.kind in "iu" and value.size <= _LARGEST_SHAPE
    return np.asarray(value) if small else None
