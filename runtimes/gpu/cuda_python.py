"""A GPU through cuda-python, the thin bindings of the CUDA runtime."""

from __future__ import annotations

import ctypes
import importlib
from typing import TYPE_CHECKING, Any

from ...errors import MissingError, NncError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

__all__ = ["CudaPythonGpu"]

_MARKS = 4
_NO_MEMORY = 2
"""cudaErrorMemoryAllocation"""


class CudaPythonGpu:
    """`nnc.runtimes.gpu.device.Gpu` on CUDA's own calls."""

    def __init__(self) -> None:
        self._cuda = cuda = _bindings()
        self._device: list[int] = []
        self._host: list[int] = []
        self._graph: Any = None
        self._events: list[Any] = []
        self._stream: Any = None
        try:
            count = self._ask(cuda.cudaGetDeviceCount())
        except NncError as error:
            raise MissingError(
                f"no usable NVIDIA GPU here ({error}); check the driver with nvidia-smi"
            ) from error
        if not count:
            raise MissingError("no NVIDIA GPU here; check the driver with nvidia-smi")
        self._ask(cuda.cudaSetDevice(0))
        try:
            self._stream = self._ask(cuda.cudaStreamCreate())
            self._events = [self._ask(cuda.cudaEventCreate()) for _ in range(_MARKS)]
        except NncError:
            self.close()
            raise
        self.stream = int(self._stream)

    def allocate(self, size: int) -> int:
        """Device memory by ``cudaMalloc``."""
        answer = self._cuda.cudaMalloc(max(size, 1))
        if int(answer[0]) == _NO_MEMORY:
            raise MissingError(
                f"the GPU has no {size / 1e6:.0f} MB left; "
                "try a smaller --batch-size, or end what else runs on it"
            )
        address = int(self._ask(answer))
        self._device.append(address)
        return address

    def pinned(self, size: int) -> np.ndarray[Any, Any]:
        """Page-locked memory by ``cudaHostAlloc``."""
        import numpy as np

        address = int(self._ask(self._cuda.cudaHostAlloc(max(size, 1), 0)))
        self._host.append(address)
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))

    def to_device(self, address: int, source: np.ndarray[Any, Any]) -> None:
        """``cudaMemcpyAsync`` from page-locked memory."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(address, source.ctypes.data, source.nbytes, kind)

    def to_host(self, target: np.ndarray[Any, Any], address: int) -> None:
        """``cudaMemcpyAsync`` into page-locked memory."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(target.ctypes.data, address, target.nbytes, kind)

    def mark(self, index: int) -> None:
        """``cudaEventRecord``."""
        self._ask(self._cuda.cudaEventRecord(self._events[index], self._stream))

    def between(self, first: int, last: int) -> int:
        """``cudaEventElapsedTime``, whose resolution is about half a microsecond."""
        events = self._events
        elapsed = self._ask(self._cuda.cudaEventElapsedTime(events[first], events[last]))
        return round(float(elapsed) * 1e6)

    def synchronise(self) -> None:
        """``cudaStreamSynchronize``."""
        self._ask(self._cuda.cudaStreamSynchronize(self._stream))

    def capture(self, work: Callable[[], bool]) -> Callable[[], None] | None:
        """Stream capture, then ``cudaGraphLaunch``."""
        self._drop_graph()
        cuda, stream = self._cuda, self._stream
        mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        if int(cuda.cudaStreamBeginCapture(stream, mode)[0]) != 0:
            return None
        queued = False
        try:
            queued = work()
        finally:
            error, graph = cuda.cudaStreamEndCapture(stream)
            if int(error) != 0:
                # What broke the capture stays as the last error until it is read.
                cuda.cudaGetLastError()
            elif not queued:
                cuda.cudaGraphDestroy(graph)
        if int(error) != 0 or not queued:
            return None
        error, launchable = cuda.cudaGraphInstantiateWithFlags(graph, 0)
        cuda.cudaGraphDestroy(graph)
        if int(error) != 0:
            cuda.cudaGetLastError()
            return None
        self._graph = launchable
        return lambda: self._ask(cuda.cudaGraphLaunch(launchable, stream))

    def close(self) -> None:
        """Free graphs, events, the stream and all memory; errors no longer matter."""
        cuda = self._cuda
        self._drop_graph()
        for event in self._events:
            cuda.cudaEventDestroy(event)
        for address in self._device:
            cuda.cudaFree(address)
        for address in self._host:
            cuda.cudaFreeHost(address)
        if self._stream is not None:
            cuda.cudaStreamDestroy(self._stream)
        self._events, self._device, self._host = [], [], []
        self._stream = None

    def _drop_graph(self) -> None:
        if self._graph is not None:
            self._cuda.cudaGraphExecDestroy(self._graph)
        self._graph = None

    def _copy(self, target: int, source: int, size: int, kind: Any) -> None:
        self._ask(self._cuda.cudaMemcpyAsync(target, source, size, kind, self._stream))

    def _ask(self, answer: tuple[Any, ...]) -> Any:
        """The value of a call, or None; NncError with CUDA's own words where it failed."""
        error, *values = answer
        if int(error) != 0:
            _, text = self._cuda.cudaGetErrorString(error)
            said = text.decode() if isinstance(text, bytes) else str(text)
            raise NncError(f"CUDA error {int(error)}: {said}")
        return values[0] if values else None


def _bindings() -> Any:
    try:
        return importlib.import_module("cuda.bindings.runtime")
    except ImportError:
        pass
    try:
        # cuda-python before 12.6
        return importlib.import_module("cuda.cudart")
    except ImportError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MissingError(
            f"cuda-python cannot be imported ({reason}); pip install cuda-python"
        ) from error
