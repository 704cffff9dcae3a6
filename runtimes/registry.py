"""Which runtime runs which file: adding one is a file beside this and a line here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ..errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from .base import Runtime

__all__ = ["RUNTIMES", "RuntimeEntry", "find_runtime", "open_runtime"]


@dataclass(frozen=True)
class RuntimeEntry:
    """A runtime by the name results use, and the ``module:Class`` that is imported when needed."""

    name: str
    target: str


RUNTIMES: dict[str, RuntimeEntry] = {
    ".onnx": RuntimeEntry("onnxruntime", "ort_runtime:OrtRuntime"),
    ".safetensors": RuntimeEntry("pytorch", "torch_runtime:TorchRuntime"),
}
"""File suffix to runtime."""


def find_runtime(path: Path) -> RuntimeEntry:
    """The runtime for a file, by its suffix; InputError where there is none."""
    entry = RUNTIMES.get(path.suffix.lower())
    if entry is None:
        found = f"ends in '{path.suffix}'" if path.suffix else "has no suffix"
        raise InputError(f"{path} {found}; expected a file that ends in {' or '.join(RUNTIMES)}")
    return entry


def open_runtime(path: Path, device: str = "cpu", threads: int = 1) -> Runtime:
    """The runtime for ``path``, not entered yet: nothing is loaded before its ``with`` block.

    ``threads`` bounds the threads of one inference on the CPU. Raises InputError for a file of an
    unknown kind, a bad device or thread count.
    """
    module, name = find_runtime(path).target.split(":")
    kind = getattr(importlib.import_module(f".{module}", __package__), name)
    return cast("Runtime", kind(path, device=device, threads=threads))
