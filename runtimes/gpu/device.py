"""An NVIDIA GPU as engines need it: memory, one stream, events and a graph.

By whichever package is there, cuda-python or PyTorch.
"""

from __future__ import annotations

import importlib.util
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import MissingError
from .driver import first_device

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

__all__ = ["Gpu", "capability_name", "open_gpu"]


log = logging.getLogger(__name__)


class Gpu(Protocol):
    """The first CUDA device, and all that was allocated on it until `close`.

    Copies and marks are queued on `stream` and done in order; `synchronise` waits for them all.
    """

    stream: int
    """Handle of the stream, as CUDA's C API takes it."""

    def allocate(self, size: int) -> int:
        """Device memory of ``size`` bytes: its address. Raises MissingError where none is left."""

    def pinned(self, size: int) -> np.ndarray[Any, Any]:
        """Page-locked host memory, uint8 [size]; it must not be used after `close`."""

    def to_device(self, address: int, source: np.ndarray[Any, Any]) -> None:
        """Queue a copy of page-locked uint8 [size] to a device address that `allocate` gave."""

    def to_host(self, target: np.ndarray[Any, Any], address: int) -> None:
        """Queue a copy from a device address into page-locked uint8 [size]."""

    def mark(self, index: int) -> None:
        """Queue the event ``index`` (0 to 3): the time at which all before it is done."""

    def between(self, first: int, last: int) -> int:
        """Nanoseconds between two marks that were reached."""

    def synchronise(self) -> None:
        """Wait for all that is queued. Raises NncError where any of it failed."""

    def capture(self, work: Callable[[], bool]) -> Callable[[], None] | None:
        """What ``work`` queues as a CUDA graph: a function that queues it at once.

        None where it cannot be captured. ``work`` returns whether it could queue; it is not run.
        The graph before goes: it must not be queued any more.
        """

    def close(self) -> None:
        """Free everything."""


def open_gpu() -> Gpu:
    """The first CUDA device, by cuda-python where that works, else by PyTorch.

    Raises MissingError, in one line, where neither is installed or there is no usable GPU.
    """
    has_torch = importlib.util.find_spec("torch") is not None
    if has_cuda_python():
        from .cuda_python import CudaPythonGpu

        try:
            return CudaPythonGpu()
        except MissingError as error:
            # It may be made for a later CUDA than the driver serves.
            if not has_torch or first_device() is None:
                raise
            log.info("%s; using PyTorch", error)
    if has_torch:
        from .pytorch import TorchGpu

        return TorchGpu()
    raise MissingError(
        "running on a GPU takes cuda-python or PyTorch for its buffers, and neither is installed; "
        "pip install cuda-python"
    )


def has_cuda_python() -> bool:
    """Whether cuda-python's bindings of the CUDA runtime are installed."""
    for name in ("cuda.bindings.runtime", "cuda.cudart"):
        # Looking for a module inside a package that is not there raises.
        with suppress(ImportError):
            if importlib.util.find_spec(name) is not None:
                return True
    return False


def capability_name(capability: int) -> str:
    """89 as ``8.9``, 120 as ``12.0``."""
    return f"{capability // 10}.{capability % 10}"
