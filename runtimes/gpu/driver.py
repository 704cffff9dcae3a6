"""Which GPU there is, asked of NVIDIA's driver itself: needs no package, and allocates nothing."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Device", "first_device"]

_LIBRARIES = ("libcuda.so.1", "nvcuda.dll")
_MAJOR, _MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR."""


@dataclass(frozen=True)
class Device:
    """A GPU."""

    name: str
    capability: int
    """Compute capability: 89 is 8.9, 120 is 12.0."""
    cuda: str = ""
    """The latest CUDA that its driver serves: ``13.0``."""


def first_device() -> Device | None:
    """The first GPU that CUDA sees; None where there is no driver or no GPU."""
    driver = _driver()
    if driver is None:
        return None
    device = ctypes.c_int()
    name = ctypes.create_string_buffer(256)
    numbers = [ctypes.c_int(), ctypes.c_int(), ctypes.c_int()]
    calls: tuple[Callable[[], int], ...] = (
        lambda: driver.cuInit(0),
        lambda: driver.cuDeviceGet(ctypes.byref(device), 0),
        lambda: driver.cuDeviceGetName(name, len(name), device),
        lambda: driver.cuDeviceGetAttribute(ctypes.byref(numbers[0]), _MAJOR, device),
        lambda: driver.cuDeviceGetAttribute(ctypes.byref(numbers[1]), _MINOR, device),
        lambda: driver.cuDriverGetVersion(ctypes.byref(numbers[2])),
    )
    try:
        if any(call() != 0 for call in calls):
            return None
    except AttributeError:  # a library of that name without these functions
        return None
    text = name.value.decode("utf-8", "replace")
    major, minor, version = (number.value for number in numbers)
    return Device(text, 10 * major + minor, f"{version // 1000}.{version % 1000 // 10}")


def _driver() -> ctypes.CDLL | None:
    for library in _LIBRARIES:
        try:
            return ctypes.CDLL(library)
        except OSError:  # noqa: PERF203
            continue
    return None
