"""What one node makes of constants, computed by ONNX Runtime's own kernels."""

from __future__ import annotations

import logging
from math import prod
from typing import TYPE_CHECKING

from .graph import tensor_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import ModelProto, NodeProto, TensorProto

__all__ = ["node_sizes", "node_values"]

log = logging.getLogger(__name__)

_MAY_BE_A_SHAPE = 1024
"""Inference gets the values of constants of up to this many elements, of others the shape."""


def node_sizes(
    model: ModelProto, node: NodeProto, inputs: Sequence[TensorProto]
) -> tuple[tuple[int, int], ...] | None:
    """Element type and number of elements of each output that the node has; None where they
    cannot be told beforehand. ``model`` says of what version its operators are."""
    from onnx import helper

    alone = _alone(model, node)
    for tensor in inputs:
        if prod(tensor.dims) <= _MAY_BE_A_SHAPE:
            alone.graph.initializer.append(tensor)
        else:
            alone.graph.input.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    try:
        types = tensor_types(alone)
    # RuntimeError, onnx's own InferenceError, protobuf errors: no common base.
    except Exception as error:  # noqa: BLE001
        log.debug("%s %s: %s", node.op_type, node.name, error)
        return None
    found = []
    for name in filter(None, node.output):
        kind, dims = types.get(name, (0, (None,)))
        known = [size for size in dims if size is not None]
        if not kind or len(known) < len(dims):
            return None
        found.append((kind, prod(known)))
    return tuple(found)


def node_values(
    model: ModelProto, node: NodeProto, inputs: Sequence[TensorProto]
) -> tuple[TensorProto, ...] | None:
    """The outputs that the node has, in order and by name; None where ONNX Runtime is not
    installed, cannot compute the node, or gives no tensors of numbers."""
    import numpy as np
    from onnx import numpy_helper

    alone = _alone(model, node)
    alone.graph.initializer.extend(inputs)
    try:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = ort.InferenceSession(
            alone.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        results = session.run(None, {})
    # ONNX Runtime's own exceptions have no base but Exception.
    except Exception as error:  # noqa: BLE001
        log.debug("%s %s: %s", node.op_type, node.name, error)
        return None
    if not all(isinstance(one, np.ndarray) and one.dtype.kind in "biufc" for one in results):
        return None
    names = [value.name for value in alone.graph.output]
    return tuple(
        numpy_helper.from_array(np.ascontiguousarray(one).reshape(one.shape), name)
        for name, one in zip(names, results, strict=True)
    )


def _alone(model: ModelProto, node: NodeProto) -> ModelProto:
    """A model of the node only, without its inputs."""
    import onnx
    from onnx import helper

    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    alone = onnx.ModelProto(ir_version=max(model.ir_version, 4))
    alone.opset_import.extend(e for e in model.opset_import if e.domain in ("", "ai.onnx"))
    alone.graph.name = "one"
    alone.graph.node.append(node)
    alone.graph.output.extend(outputs)
    return alone
