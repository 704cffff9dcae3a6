"""The protocol that every runtime follows, so that measuring knows nothing of the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    import numpy as np
    from typing_extensions import Self

__all__ = ["DEVICES", "Runtime", "TensorSpec", "check_place"]

DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class TensorSpec:
    """One input or output: its name, NumPy dtype name and shape; None is a free dimension."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


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


def check_place(device: str, threads: int) -> None:
    """Raise InputError unless ``device`` is known and ``threads`` is a sensible count."""
    if device not in DEVICES:
        raise InputError(f"device '{device}': expected one of {', '.join(DEVICES)}")
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= 1024:
        raise InputError(f"{threads} threads: expected a whole number from 1 to 1024")
