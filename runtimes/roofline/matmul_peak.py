"""The peak of arithmetic: matrix products in ONNX Runtime, the kernels that networks run in."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from .best_time import best_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["float_flops", "int8_ops"]

_SIZES = (256, 512)
"""Rows and columns: small enough for the caches, and to be done before another process comes."""

_INT8_INPUTS = ("uint8", "int8")
"""x86 has its fast instructions for unsigned times signed, some ARM cores for signed alone."""


def float_flops(threads: int, seconds: float) -> float:
    """Float32 operations a second of the best product in ``seconds``; one MAC is two."""
    return max(_speed("MatMul", "float32", n, threads, seconds / len(_SIZES)) for n in _SIZES)


def int8_ops(threads: int, seconds: float) -> float:
    """Operations a second of the best product of 8-bit integers, summed in 32 bits."""
    share = seconds / (len(_SIZES) * len(_INT8_INPUTS))
    return max(
        _speed("MatMulInteger", kind, n, threads, share) for kind in _INT8_INPUTS for n in _SIZES
    )


def _speed(op: str, kind: str, size: int, threads: int, seconds: float) -> float:
    return 2 * size**3 / best_seconds(_product(op, kind, size, threads), seconds)


def _product(op: str, kind: str, size: int, threads: int) -> Callable[[], float]:
    """A product of a matrix of ``kind`` with a constant one, which times itself."""
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(
        _model(op, kind, size), options, providers=["CPUExecutionProvider"]
    )
    source = np.random.default_rng(1)
    left = source.integers(0, 64, (size, size)).astype(kind)
    # With inputs and outputs bound nothing is allocated or copied between the products.
    binding = session.io_binding()
    binding.bind_cpu_input("x", left)
    binding.bind_output("y")

    def timed() -> float:
        start = perf_counter()
        session.run_with_iobinding(binding)
        return perf_counter() - start

    return timed


def _model(op: str, kind: str, size: int) -> bytes:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    floats = op == "MatMul"
    weights: np.ndarray[Any, Any] = np.random.default_rng(0).integers(-64, 64, (size, size))
    weights = weights.astype(np.float32 if floats else np.int8)
    info = helper.make_tensor_value_info
    result = TensorProto.FLOAT if floats else TensorProto.INT32
    graph = helper.make_graph(
        [helper.make_node(op, ["x", "w"], ["y"])],
        "peak",
        [info("x", helper.np_dtype_to_tensor_dtype(np.dtype(kind)), [size, size])],
        [info("y", result, [size, size])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
