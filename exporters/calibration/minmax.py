"""Observe which values the tensors of a network take on real images.

The network runs once over the calibration images with a reduction attached to each observed
tensor, so that only two numbers a tensor leave it: memory does not grow with the number of images.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import InputError, NncError

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

__all__ = ["minmax_ranges"]


def minmax_ranges(
    model: ModelProto,
    tensors: Sequence[str],
    batches: Iterable[np.ndarray[Any, Any]],
    *,
    threads: int = 0,
) -> dict[str, tuple[float, float]]:
    """The least and the greatest value each of ``tensors`` took over all ``batches``.

    ``batches`` are float32 [N, C, H, W]. ``threads`` is what ONNX Runtime may use; 0 leaves it to
    decide. Raises InputError where there is no batch or the model cannot run on one, NncError
    where a tensor becomes NaN or infinite, naming it.
    """
    import numpy as np

    session = _session(_observed(model, tensors), threads)
    name = session.get_inputs()[0].name
    lowest = np.full(len(tensors), np.inf, np.float32)
    highest = np.full(len(tensors), -np.inf, np.float32)
    seen = 0
    for batch in batches:
        if not np.isfinite(batch).all():
            raise NncError("the calibration images hold NaN or infinite values after normalising")
        outputs = _run(session, {name: batch})
        observed = np.array([float(value) for value in outputs[: 2 * len(tensors)]], np.float32)
        _check_finite(observed, tensors)
        # A NaN can hide from a minimum and a maximum, but not from the network's own outputs.
        if not all(np.isfinite(value).all() for value in outputs[2 * len(tensors) :]):
            raise NncError(
                "the network's output is NaN or infinite on the calibration images; "
                "check its weights"
            )
        np.minimum(lowest, observed[0::2], out=lowest)
        np.maximum(highest, observed[1::2], out=highest)
        seen += len(batch)
    if not seen:
        raise InputError("no calibration images: expected at least one; raise --samples")
    return {
        tensor: (float(low), float(high))
        for tensor, low, high in zip(tensors, lowest, highest, strict=True)
    }


def _observed(model: ModelProto, tensors: Sequence[str]) -> ModelProto:
    """A copy whose first outputs are the minimum and maximum of each tensor, in turn."""
    from onnx import ModelProto, TensorProto, helper

    copy = ModelProto()
    copy.CopyFrom(model)
    outputs = list(copy.graph.output)
    del copy.graph.output[:]
    for index, tensor in enumerate(tensors):
        for kind in ("ReduceMin", "ReduceMax"):
            name = f"observed/{index}/{kind}"
            copy.graph.node.append(helper.make_node(kind, [tensor], [name], keepdims=0))
            copy.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, []))
    copy.graph.output.extend(outputs)
    return copy


def _session(model: ModelProto, threads: int) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    # An arena would keep the largest batch's memory until the end.
    options.enable_cpu_mem_arena = False
    try:
        return ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's own exceptions share no public base class
        raise InputError(f"ONNX Runtime cannot load the model: {_first_line(error)}") from error


def _run(session: Any, feeds: dict[str, np.ndarray[Any, Any]]) -> list[Any]:
    try:
        outputs: list[Any] = session.run(None, feeds)
    except Exception as error:
        raise InputError(
            f"the model cannot run on the calibration images: {_first_line(error)}"
        ) from error
    return outputs


def _check_finite(observed: np.ndarray[Any, Any], tensors: Sequence[str]) -> None:
    import numpy as np

    bad = np.flatnonzero(~np.isfinite(observed))
    if bad.size:
        raise NncError(
            f"tensor '{tensors[int(bad[0]) // 2]}' becomes NaN or infinite on the calibration "
            "images; check the weights of the layer before it"
        )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
