"""Inside a process that measures for the roofline: the machine's peaks, a network's layers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ...errors import MissingError
from ..install import install_command
from ..workers.child import Reply, serve

if TYPE_CHECKING:
    import numpy as np

    from ...model_card import InputSpec

__all__ = ["main"]


def main() -> None:
    """Serve messages until the parent says ``close`` or goes away."""
    serve(
        {"peak": _peak, "time": _time},
        out_of_memory=lambda: "not enough memory to measure the roofline; pass --no-roofline",
    )


def _peak(payload: bytes, *, threads: int, cpus: list[int] | None, seconds: float) -> Reply:
    from .caches import cache_bytes
    from .copy_peak import cache_speed, memory_speed
    from .matmul_peak import float_flops, int8_ops

    del payload
    _prepare(cpus)
    cache = cache_bytes(threads)
    found: dict[str, Any] = {
        "flops_per_s": float_flops(threads, seconds),
        "int8_ops_per_s": int8_ops(threads, seconds),
        "bytes_per_s": memory_speed(threads, cache, seconds),
        "cache_bytes": cache,
        "cache_bytes_per_s": None if cache is None else cache_speed(threads, cache, seconds),
    }
    return found, b""


def _time(
    payload: bytes,
    *,
    path: str,
    threads: int,
    cpus: list[int] | None,
    batch_size: int,
    spec: dict[str, Any],
) -> Reply:
    from dataclasses import asdict
    from pathlib import Path

    from ...model_card import InputSpec
    from .timed_nodes import time_nodes

    del payload
    _prepare(cpus)
    image = InputSpec(**{**spec, "mean": tuple(spec["mean"]), "std": tuple(spec["std"])})
    nodes = time_nodes(Path(path), threads, _noise(image, batch_size))
    return {"nodes": [asdict(node) for node in nodes]}, b""


def _noise(spec: InputSpec, batch_size: int) -> np.ndarray[Any, Any]:
    import numpy as np

    from ..preprocess import normalise

    shape = (batch_size, spec.height, spec.width, spec.channels)
    return normalise(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), spec)


def _prepare(cpus: list[int] | None) -> None:
    """Bind this process before anything starts threads."""
    if cpus is not None:
        os.sched_setaffinity(0, cpus)
    try:
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise MissingError(
            f"ONNX Runtime is needed to measure the roofline; {install_command('cpu')} "
            "or pass --no-roofline"
        ) from error
