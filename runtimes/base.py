"""The protocol that every runtime follows, so that measuring knows nothing of the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    import numpy as np
    from typing_extensions import Self

__all__ = [
    "DEFAULT_OPTIONS",
    "DEVICES",
    "PROVIDERS",
    "DeviceTimed",
    "DeviceTimes",
    "Noted",
    "Runtime",
    "RuntimeOptions",
    "TensorSpec",
    "check_place",
]

DEVICES = ("cpu", "cuda")
PROVIDERS = ("cuda", "tensorrt", "nv-tensorrt-rtx")
"""ONNX Runtime's ways to a GPU."""


@dataclass(frozen=True)
class TensorSpec:
    """One input or output: its name, NumPy dtype name and shape; None is a free dimension."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    batches: tuple[int, int] | None = None
    """Least and greatest size of a free first dimension; None where any will do."""


@dataclass(frozen=True)
class RuntimeOptions:
    """What a user allows and chooses beyond the device; checked when the object is built."""

    provider: str | None = None
    """ONNX Runtime's provider on a GPU, one of `PROVIDERS`; None is ``cuda``."""
    allow_fallback: bool = False
    """Whether nodes that the provider does not take may run on the CPU."""
    trust: bool = False
    """Whether to load an engine that has no sidecar."""
    compiled: bool = False
    """Whether PyTorch compiles a checkpoint's network (``torch.compile``), not runs it eagerly."""

    def __post_init__(self) -> None:
        if self.provider not in (None, *PROVIDERS):
            raise InputError(f"provider '{self.provider}': expected one of {', '.join(PROVIDERS)}")


DEFAULT_OPTIONS = RuntimeOptions()


@dataclass(frozen=True)
class DeviceTimes:
    """Where the time of one inference on a GPU went, in nanoseconds."""

    host_to_device: int
    compute: int
    device_to_host: int


class Runtime(Protocol):
    """Runs one file on one device; a context manager that allocates nothing before entry.

    `inputs`, `outputs` and `run` may be used inside the ``with`` block alone. Entering raises
    InputError for a file the engine cannot load and MissingError for a package or device that
    this machine lacks; there is no silent fall-back to another device.
    """

    @property
    def name(self) -> str:
        """The engine, as results name it: ``pytorch``, ``onnxruntime``."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What `run` must be fed."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What `run` returns."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Compute all outputs by name, on the host, finished when this returns.

        Raises InputError where a feed does not fit the file.
        """


@runtime_checkable
class DeviceTimed(Runtime, Protocol):
    """A runtime that may tell computing on a GPU from the copies before and after it."""

    def device_times(self) -> DeviceTimes | None:
        """Of the last ``run``; None where they cannot be told apart."""


@runtime_checkable
class Noted(Runtime, Protocol):
    """A runtime that knows of something that a reader of its figures should."""

    def notes(self) -> tuple[str, ...]:
        """A line each; asked after the runs."""


def check_place(device: str, threads: int) -> None:
    """Raise InputError unless ``device`` is known and ``threads`` is a sensible count."""
    if device not in DEVICES:
        raise InputError(f"device '{device}': expected one of {', '.join(DEVICES)}")
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= 1024:
        raise InputError(f"{threads} threads: expected a whole number from 1 to 1024")
