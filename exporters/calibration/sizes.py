"""How many values a network's tensors have: by inference, else from what they are when it runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .session import open_session, run_session

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

__all__ = ["tensor_sizes"]

_SHAPE = "nnc.shape."


def tensor_sizes(
    model: ModelProto, tensors: Sequence[str], entry: str, images: np.ndarray[Any, Any]
) -> list[int]:
    """The number of values in each of ``tensors`` with ``images``, float32 [N, C, H, W], as the
    input ``entry``.

    Bounds that are computed in the graph hide shapes from inference: the network is then run once,
    and tells the shapes alone. The model is the same afterwards.
    """
    from ...runtimes.onnx_model.shapes import infer_shapes

    known = infer_shapes(model, {entry: images.shape})
    sizes = {name: _elements(known.get(name)) for name in tensors}
    hidden = [name for name, size in sizes.items() if size is None]
    shapes = _run_for_shapes(model, hidden, images) if hidden else []
    sizes.update((name, math.prod(shape)) for name, shape in zip(hidden, shapes, strict=True))
    return [sizes[name] or 0 for name in tensors]


def _run_for_shapes(
    model: ModelProto, tensors: Sequence[str], images: np.ndarray[Any, Any]
) -> list[list[int]]:
    from onnx import TensorProto, helper

    graph, names = model.graph, [_SHAPE + name for name in tensors]
    nodes, outputs = len(graph.node), len(graph.output)
    graph.node.extend(
        helper.make_node("Shape", [tensor], [name])
        for tensor, name in zip(tensors, names, strict=True)
    )
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.INT64, None) for name in names
    )
    try:
        session = open_session(model, 1)
    finally:
        del graph.node[nodes:], graph.output[outputs:]
    return [shape.tolist() for shape in run_session(session, names, images)]


def _elements(shape: Sequence[int | None] | None) -> int | None:
    if shape is None or None in shape:
        return None
    return math.prod(size or 0 for size in shape)
