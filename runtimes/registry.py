"""Which runtime runs which file: adding one is a file beside this and a line here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ..errors import InputError
from .base import DEFAULT_OPTIONS, DEVICES

if TYPE_CHECKING:
    from pathlib import Path

    from .base import Runtime, RuntimeOptions

__all__ = ["RUNTIMES", "RuntimeEntry", "find_runtime", "open_runtime"]


@dataclass(frozen=True)
class RuntimeEntry:
    """A runtime by the name results use, and the ``module:Class`` that is imported when needed."""

    name: str
    target: str
    devices: tuple[str, ...] = DEVICES
    """Where it runs; the first where nobody says."""
    library: str = ""
    """The package whose import is no part of loading a file; empty where the file says which."""

    def device(self, wanted: str) -> str:
        """``wanted`` if the runtime can run there, else where it can."""
        return wanted if wanted in self.devices else self.devices[0]


RUNTIMES: dict[str, RuntimeEntry] = {
    ".onnx": RuntimeEntry("onnxruntime", "ort.runtime:OrtRuntime", library="onnxruntime"),
    ".safetensors": RuntimeEntry(
        "pytorch", "torch_runtime:TorchRuntime", library="torchvision.models"
    ),
    ".engine": RuntimeEntry("tensorrt", "trt.runtime:TrtRuntime", devices=("cuda",)),
}
"""File suffix to runtime."""


def find_runtime(path: Path) -> RuntimeEntry:
    """The runtime for a file, by its suffix; InputError where there is none."""
    entry = RUNTIMES.get(path.suffix.lower())
    if entry is None:
        found = f"ends in '{path.suffix}'" if path.suffix else "has no suffix"
        *most, last = RUNTIMES
        raise InputError(
            f"{path} {found}; expected a file that ends in {', '.join(most)} or {last}"
        )
    return entry


def open_runtime(
    path: Path,
    device: str | None = None,
    threads: int = 1,
    options: RuntimeOptions = DEFAULT_OPTIONS,
) -> Runtime:
    """The runtime for ``path``, not entered yet: nothing is loaded before its ``with`` block.

    ``device`` None is the CPU, or the GPU for a file that runs there alone; ``threads`` bounds the
    threads of one inference on the CPU. Raises InputError for a file of an unknown kind, a bad
    device or thread count.
    """
    entry = find_runtime(path)
    module, name = entry.target.split(":")
    kind = getattr(importlib.import_module(f".{module}", __package__), name)
    place = entry.devices[0] if device is None else device
    return cast("Runtime", kind(path, device=place, threads=threads, options=options))
