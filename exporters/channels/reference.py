"""Single nodes computed by ONNX's reference implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import NodeProto

    Array = np.ndarray[Any, Any]

__all__ = ["run_node"]


def run_node(node: NodeProto, inputs: Sequence[Array | None], opset: int) -> Array:
    """The first output of a node of the standard domain; None stands for an input left out."""
    import onnx
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    del copy.output[1:]
    feeds = {name: a for name, a in zip(node.input, inputs, strict=True) if a is not None}
    described = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for name, a in feeds.items()
    ]
    output = helper.make_tensor_value_info(node.output[0], onnx.TensorProto.UNDEFINED, None)
    graph = helper.make_graph([copy], "one", described, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    results = ReferenceEvaluator(model).run(None, feeds)
    return np.asarray(next(iter(results)))
