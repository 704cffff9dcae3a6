"""How to build a TensorRT engine."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ...errors import InputError
from ...runtimes.trt.compat import FLAVOURS, PRECISIONS
from ..int8.settings import Int8Settings

__all__ = ["DEFAULT_BATCH", "TARGET_GPUS", "TrtSettings"]

DEFAULT_BATCH = (1, 1, 64)
"""One image at a time is what latency is measured on; accuracy takes many."""

TARGET_GPUS = (
    *("auto", "75", "80", "86", "87", "89", "90"),
    *("100", "103", "110", "120", "121"),
)
"""Compute capabilities by their digits (Jetson Orin is 87, Thor 110); auto is this machine's GPU,
or all where there is none."""

_MOST_BATCH = 65_536
_MOST_WORKSPACE_MB = 1 << 20


@dataclass(frozen=True)
class TrtSettings:
    """How to build the engine; every field is checked when the object is built."""

    precision: str = "int8"
    """``int8`` with the rest in fp16, ``fp16`` or ``fp32``."""
    flavour: str = "auto"
    """``tensorrt``, ``rtx``, or whichever is installed."""
    batch: tuple[int, int, int] = DEFAULT_BATCH
    """Least, best and greatest batch size, where the model leaves it open."""
    workspace_mb: int | None = None
    """Memory that a layer may take for itself, at most; None leaves it to TensorRT."""
    target_gpu: str = "auto"
    """Compute capability of the GPU that the engine is for."""
    keep_onnx: bool = False
    """Write the ONNX file that the engine is built from, too: ``X.qdq.onnx`` beside it."""
    int8: Int8Settings = field(default_factory=lambda: Int8Settings(never_slower=False))
    """Calibration and guard; an engine is not timed, so ``never_slower`` says nothing here."""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise InputError(
                f"precision '{self.precision}': expected one of {', '.join(PRECISIONS)}"
            )
        if self.flavour not in ("auto", *FLAVOURS):
            raise InputError(
                f"flavour '{self.flavour}': expected one of auto, {', '.join(FLAVOURS)}"
            )
        if self.keep_onnx and self.precision != "int8":
            raise InputError(
                f"there is no Q/DQ file of {self.precision} to keep: the engine is built from the "
                "float file itself; leave out --keep-onnx"
            )
        object.__setattr__(self, "batch", tuple(self.batch))
        sizes = self.batch
        if len(sizes) != 3 or not 1 <= sizes[0] <= sizes[1] <= sizes[2] <= _MOST_BATCH:
            raise InputError(
                f"batch {','.join(map(str, sizes))}: expected MIN,OPT,MAX, each no less than the "
                f"one before, 1 to {_MOST_BATCH}"
            )
        if self.workspace_mb is not None and not 1 <= self.workspace_mb <= _MOST_WORKSPACE_MB:
            raise InputError(
                f"workspace of {self.workspace_mb} MB: expected 1 to {_MOST_WORKSPACE_MB}"
            )
        # 8.9 is how NVIDIA writes what its libraries call 89.
        if re.fullmatch(r"\d+\.\d", self.target_gpu, re.ASCII):
            object.__setattr__(self, "target_gpu", self.target_gpu.replace(".", ""))
        if self.target_gpu not in TARGET_GPUS:
            raise InputError(
                f"target GPU '{self.target_gpu}': expected one of {', '.join(TARGET_GPUS)}"
            )
