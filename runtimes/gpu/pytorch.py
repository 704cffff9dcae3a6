"""A GPU through PyTorch, where cuda-python is not installed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ...errors import MissingError, NncError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

__all__ = ["TorchGpu"]

_MARKS = 4


class TorchGpu:
    """`nnc.runtimes.gpu.device.Gpu` on PyTorch's tensors, stream and events."""

    def __init__(self) -> None:
        torch: Any = importlib.import_module("torch")
        if not torch.cuda.is_available():
            raise MissingError(
                "PyTorch finds no usable NVIDIA GPU here; check the driver with nvidia-smi"
            )
        self._torch = torch
        self._device: dict[int, Any] = {}
        self._host: dict[int, Any] = {}
        torch.cuda.set_device(0)
        self._stream = torch.cuda.Stream()
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(_MARKS)]
        self.stream = int(self._stream.cuda_stream)

    def allocate(self, size: int) -> int:
        """Device memory that a tensor of bytes owns."""
        torch = self._torch
        try:
            tensor = torch.empty(max(size, 1), dtype=torch.uint8, device="cuda")
        except torch.OutOfMemoryError as error:
            raise MissingError(
                f"the GPU has no {size / 1e6:.0f} MB left; "
                "try a smaller --batch-size, or end what else runs on it"
            ) from error
        address = int(tensor.data_ptr())
        self._device[address] = tensor
        return address

    def pinned(self, size: int) -> np.ndarray[Any, Any]:
        """Page-locked memory that a tensor of bytes owns."""
        tensor = self._torch.empty(max(size, 1), dtype=self._torch.uint8, pin_memory=True)
        self._host[tensor.data_ptr()] = tensor
        array: np.ndarray[Any, Any] = tensor.numpy()[:size]
        return array

    def to_device(self, address: int, source: np.ndarray[Any, Any]) -> None:
        """A copy that does not block; ``source`` starts where a page-locked tensor does."""
        size = source.nbytes
        with self._torch.cuda.stream(self._stream):
            self._device[address][:size].copy_(self._host_part(source), non_blocking=True)

    def to_host(self, target: np.ndarray[Any, Any], address: int) -> None:
        """A copy that does not block; ``target`` starts where a page-locked tensor does."""
        size = target.nbytes
        with self._torch.cuda.stream(self._stream):
            self._host_part(target).copy_(self._device[address][:size], non_blocking=True)

    def mark(self, index: int) -> None:
        """Record an event."""
        self._events[index].record(self._stream)

    def between(self, first: int, last: int) -> int:
        """Elapsed time of two events, whose resolution is about half a microsecond."""
        return round(1e6 * float(self._events[first].elapsed_time(self._events[last])))

    def synchronise(self) -> None:
        """Wait for the stream."""
        try:
            self._stream.synchronize()
        except RuntimeError as error:
            raise NncError(str(error).splitlines()[0]) from error

    def capture(self, work: Callable[[], bool]) -> Callable[[], None] | None:
        """A ``torch.cuda.CUDAGraph`` of the stream."""
        cuda = self._torch.cuda
        graph = cuda.CUDAGraph()
        try:
            with cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                if not work():
                    raise RuntimeError("nothing was queued")
        except RuntimeError:
            return None

        def replay() -> None:
            with cuda.stream(self._stream):
                graph.replay()

        return replay

    def close(self) -> None:
        """Let PyTorch have its memory back."""
        self._device.clear()
        self._host.clear()

    def _host_part(self, array: np.ndarray[Any, Any]) -> Any:
        return self._host[array.ctypes.data][: array.nbytes]
