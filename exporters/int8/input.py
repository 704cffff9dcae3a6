"""Bring any float ONNX model into the form the int8 quantiser takes, or say why it cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InputError
from ...runtimes.reasons import short_reason
from ..passes import INT8, PASSES, RESOLVING, run_passes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import ModelProto

__all__ = ["check_imports", "input_shape", "name_nodes", "prepare"]

LOWEST_OPSET = 13
"""From here on QuantizeLinear takes a scale per channel."""

CONVERT_TO_OPSET = 17


def prepare(
    model: ModelProto, source: str, passes: Sequence[str] = INT8, *, runs_here: bool = True
) -> ModelProto:
    """Check ``model`` and return it cleaned by the graph passes, at opset 13 or later, every node
    with a name of its own. ``passes`` are those that suit what will run the int8 model;
    ``runs_here``: ONNX Runtime is to run it, to calibrate it or as a file.

    The model is edited in place unless its opset is too old. Raises InputError, naming the model
    by ``source``, where it is int8 already, is not float32, has not exactly one image input,
    cannot be brought to a later opset, cannot be run by ONNX Runtime, or holds a weight that is not
    finite.
    """
    _refuse_size(model, source)
    _refuse_quantised(model, source)
    _refuse_stored(model, source)
    model = _raise_opset(model, source)
    run_passes(model, (*RESOLVING, *PASSES))
    input_shape(model, source)
    _refuse_weights(model, source)
    run_passes(model, passes)
    name_nodes(model)
    if runs_here:
        _refuse_unknown_operators(model, source)
    return model


def check_imports(model: ModelProto, source: str) -> int:
    """The opset; InputError unless the model states it once, and that of every other operator."""
    versions = [
        int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")
    ]
    if len(versions) != 1:
        raise InputError(
            f"{source} imports the ONNX operators {len(versions)} times; expected once"
        )
    domains = {entry.domain for entry in model.opset_import} | {"", "ai.onnx"}
    for node in model.graph.node:
        if node.domain not in domains:
            raise InputError(
                f"{source}: node '{node.name or node.op_type}' is of domain '{node.domain}', which "
                "the file does not import; export it again"
            )
    return versions[0]


def input_shape(model: ModelProto, source: str) -> tuple[int | None, ...]:
    """Shape [N, C, H, W] of the model's only input, None where dynamic.

    Raises InputError where there are more inputs, or the input is no float32 image batch.
    """
    from onnx import TensorProto

    inputs = model.graph.input
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise InputError(f"{source} has {len(inputs)} inputs ({names}); expected one image batch")
    tensor = inputs[0].type.tensor_type
    dims = tuple(d.dim_value if d.dim_value > 0 else None for d in tensor.shape.dim)
    if len(dims) != 4:
        raise InputError(
            f"{source}: input '{inputs[0].name}' has {len(dims)} dimensions; "
            "expected an image batch [N, C, H, W]"
        )
    if tensor.elem_type != TensorProto.FLOAT:
        kind = TensorProto.DataType.Name(tensor.elem_type).lower()
        raise InputError(
            f"{source}: input '{inputs[0].name}' is {kind}; expected a float32 model, "
            "export it in float32 and quantise that"
        )
    return dims


def _refuse_quantised(model: ModelProto, source: str) -> None:
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") or (
            node.op_type.startswith(("QLinear", "QGemm")) or node.op_type.endswith("Integer")
        ):
            raise InputError(
                f"{source} is already quantised (it has {node.op_type} nodes); "
                "quantise the float model it was made from"
            )


def _refuse_stored(model: ModelProto, source: str) -> None:
    """A file of ``nnc quantise --weights-only``: rounding it again would lose more."""
    from onnx import TensorProto

    int8 = {t.name for t in model.graph.initializer if t.data_type == TensorProto.INT8}
    if any(node.op_type == "Cast" and node.input[0] in int8 for node in model.graph.node):
        raise InputError(
            f"{source} has its weights stored as int8 already; "
            "quantise the float model it was made from"
        )


def _refuse_size(model: ModelProto, source: str) -> None:
    from ...runtimes.onnx_model.files import LARGEST_BYTES

    if (size := model.ByteSize()) > LARGEST_BYTES:
        raise InputError(
            f"{source} takes {size} bytes with its external data; "
            "int8 is made of models up to 2 GB, prune it or quantise its parts"
        )


def _refuse_weights(model: ModelProto, source: str) -> None:
    import numpy as np
    from onnx import TensorProto, numpy_helper

    for tensor in model.graph.initializer:
        if tensor.data_type in (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE):
            kind = TensorProto.DataType.Name(tensor.data_type).lower()
            raise InputError(
                f"{source}: '{tensor.name}' is {kind}; expected a float32 model, "
                "export it in float32 and quantise that"
            )
        # Looked at here, because a Relu or Clip may hide a NaN from the observed ranges.
        weights = tensor.data_type == TensorProto.FLOAT and tensor.dims
        if weights and not np.isfinite(numpy_helper.to_array(tensor)).all():
            raise InputError(f"{source}: tensor '{tensor.name}' holds NaN or infinite values")


def _refuse_unknown_operators(model: ModelProto, source: str) -> None:
    """Load the model once: what ONNX Runtime has no kernel for is better told before the images."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions share no public base class
        raise InputError(f"{source}: ONNX Runtime cannot run it: {short_reason(error)}") from error


def name_nodes(model: ModelProto) -> None:
    """Give each node a name of its own: what stays float is chosen by name. Most keep theirs."""
    taken = {node.name for node in model.graph.node}
    used: set[str] = set()
    for node in model.graph.node:
        if not node.name or node.name in used:
            stem = node.name or node.op_type.lower()
            number = 2 if node.name else 1
            while f"{stem}_{number}" in taken:
                number += 1
            node.name = f"{stem}_{number}"
            taken.add(node.name)
        used.add(node.name)


def _raise_opset(model: ModelProto, source: str) -> ModelProto:
    from onnx import version_converter

    version = check_imports(model, source)
    if version >= LOWEST_OPSET:
        return model
    # The converter knows weights only as graph inputs up to IR 3 and as plain initialisers after.
    run_passes(model, ("strip_metadata", "constants"))
    try:
        return version_converter.convert_version(model, CONVERT_TO_OPSET)
    except Exception as error:  # the converter raises whatever its C++ side throws
        raise InputError(
            f"{source} uses opset {version}, {LOWEST_OPSET} or later is needed, and it cannot "
            "be converted; export it again with a later opset"
        ) from error
