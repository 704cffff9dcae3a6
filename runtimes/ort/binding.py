"""ONNX Runtime with inputs and outputs bound to the device's memory, so that copies show."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from ..base import DeviceTimes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

__all__ = ["BoundSession", "can_bind"]


def can_bind(ort: Any, device: str) -> bool:
    """Whether this ONNX Runtime hands out memory on ``device``.

    With a provider that comes as a plug-in, such as TensorRT RTX, older versions do not: ``cuda``
    is to them what they were built for; to 1.32 it is NVIDIA's, whoever brings their memory.
    """
    import numpy as np

    try:
        ort.OrtValue.ortvalue_from_numpy(np.zeros(1, np.float32), device, 0)
    except Exception:  # noqa: BLE001  (its exceptions share no base class)
        return False
    return True


class BoundSession:
    """A session whose inputs lie in buffers on ``device``, allocated once for each shape.

    Each of the three parts of `run` is done when the next begins, so `times` are the host's clock.
    """

    def __init__(self, ort: Any, session: Any, outputs: Sequence[str], device: str) -> None:
        self._ort = ort
        self._session = session
        self._outputs = tuple(outputs)
        self._device = device
        self._values: dict[str, Any] = {}
        self._binding: Any = None
        self.times = DeviceTimes(0, 0, 0)

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        """Outputs in their order, on the host; whatever ONNX Runtime raises where feeds misfit."""
        start = perf_counter_ns()
        if self._fits(feeds):
            for name, array in feeds.items():
                self._values[name].update_inplace(array)
        else:
            self._bind(feeds)
        self._binding.synchronize_inputs()
        fed = perf_counter_ns()
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        computed = perf_counter_ns()
        results: list[np.ndarray[Any, Any]] = self._binding.copy_outputs_to_cpu()
        self.times = DeviceTimes(fed - start, computed - fed, perf_counter_ns() - computed)
        return results

    def _fits(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> bool:
        return set(feeds) == set(self._values) and all(
            tuple(self._values[name].shape()) == array.shape
            and self._values[name].element_type() == self._element_type(array)
            for name, array in feeds.items()
        )

    def _bind(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> None:
        self._values = {}
        binding = self._session.io_binding()
        values = {}
        for name, array in feeds.items():
            values[name] = self._ort.OrtValue.ortvalue_from_numpy(array, self._device, 0)
            binding.bind_ortvalue_input(name, values[name])
        for name in self._outputs:
            binding.bind_output(name, self._device)
        self._binding, self._values = binding, values

    def _element_type(self, array: np.ndarray[Any, Any]) -> int:
        import onnx

        return int(onnx.helper.np_dtype_to_tensor_dtype(array.dtype))
