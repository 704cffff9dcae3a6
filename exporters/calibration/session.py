"""An ONNX Runtime session of a model that gives out more of its tensors than it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...runtimes.reasons import short_reason

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["open_session", "run_session", "with_outputs"]


def open_session(model: ModelProto, threads: int) -> Any:
    """A session that keeps no more memory than it needs; InputError where there can be none."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    # Both would keep the largest run's memory until the end.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    try:
        return ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's own exceptions share no public base class
        raise InputError(f"ONNX Runtime cannot load the model: {short_reason(error)}") from error


def run_session(session: Any, names: Sequence[str], images: Any) -> list[Any]:
    """The tensors called ``names`` for ``images``; InputError where it cannot run on them."""
    if not names:
        return []
    try:
        values: list[Any] = session.run(list(names), {session.get_inputs()[0].name: images})
    except Exception as error:
        raise InputError(
            f"the model cannot run on the calibration images: {short_reason(error)}"
        ) from error
    return values


@contextmanager
def with_outputs(model: ModelProto, tensors: Sequence[str]) -> Iterator[ModelProto]:
    """``model`` itself, which may be large, with ``tensors`` among its outputs for the while."""
    from onnx import TensorProto, helper

    graph = model.graph
    before = len(graph.output)
    known = {value.name for value in (*graph.output, *graph.input)}
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in tensors
        if name not in known
    )
    try:
        yield model
    finally:
        del graph.output[before:]
