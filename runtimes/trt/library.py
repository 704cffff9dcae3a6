"""A TensorRT that was imported: which it is, and what it offers, asked of the module itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FLAVOURS", "TITLES", "Library"]

FLAVOURS = ("tensorrt", "rtx")
"""TensorRT for data centres, workstations and Jetson, and TensorRT for RTX (consumer cards)."""

TITLES = {"tensorrt": "TensorRT", "rtx": "TensorRT for RTX"}


@dataclass(frozen=True)
class Library:
    """A TensorRT that was imported, and what it offers."""

    flavour: str
    """One of `FLAVOURS`."""
    version: str
    """As the module says, ``10.13.0.35``."""
    cuda: str
    """Major version of the CUDA it was built for; empty where no package says (Jetson)."""
    module: Any = field(repr=False, compare=False)

    @property
    def title(self) -> str:
        """The library by the name and version that a user knows."""
        return f"{TITLES[self.flavour]} {self.version}"

    @property
    def strongly_typed(self) -> bool:
        """Whether networks can be strongly typed: the ONNX file alone decides every precision."""
        flags = self.module.NetworkDefinitionCreationFlag
        # Where there is no flag for int8, the network cannot but be strongly typed.
        return hasattr(flags, "STRONGLY_TYPED") or not hasattr(self.module.BuilderFlag, "INT8")

    @property
    def network_flags(self) -> int:
        """What ``create_network`` takes here."""
        flags = self.module.NetworkDefinitionCreationFlag
        for name in ("STRONGLY_TYPED", "EXPLICIT_BATCH"):
            if hasattr(flags, name):
                return 1 << int(getattr(flags, name))
        return 0

    @property
    def targets(self) -> tuple[int, ...]:
        """Compute capabilities that engines can be built for with no GPU; () where it needs one.

        75 stands for 7.5, 120 for 12.0.
        """
        if not hasattr(self.module.IBuilderConfig, "set_compute_capability"):
            return ()
        names = re.findall(r"\bSM(\d+)\b", " ".join(dir(self.module.ComputeCapability)))
        return tuple(sorted(map(int, names)))

    @property
    def keeps_timings(self) -> bool:
        """Whether a timing cache saves building time; RTX has its methods, but times nothing."""
        return not self.targets and hasattr(self.module.IBuilderConfig, "create_timing_cache")
