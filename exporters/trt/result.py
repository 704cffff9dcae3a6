"""What building an engine did, and how it can be known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto

    from ...runtimes.trt.sidecar import Sidecar
    from ..guard.drop import Drop
    from ..guard.plan import Plan
    from ..guard.trial import Trial

__all__ = ["EngineResult", "Quantised"]


@dataclass(frozen=True)
class Quantised:
    """A Q/DQ model that held the limits, and what is known of it."""

    model: ModelProto = field(repr=False)
    trial: Trial
    plan: Plan
    samples: int
    """Calibration images really used."""
    ranges: Mapping[str, tuple[float, float]] = field(repr=False)
    """Tensor -> the range that it is quantised over."""


@dataclass(frozen=True)
class EngineResult:
    """What building an engine did."""

    path: str
    sidecar: Sidecar
    size_bytes: int
    source_size_bytes: int
    warnings: tuple[str, ...]
    """What TensorRT had to say."""
    quantised: Quantised | None = None
    """Where int8 was made here; None for fp16, fp32 and a file that was int8 already."""
    fp16_drop: Drop | None = None
    """Accuracy lost by what the engine was built from, int8 and fp16 together, if judged."""
    onnx: Path | None = None
    """The Q/DQ file, where it was kept."""

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        made = self.quantised
        trial = None if made is None else made.trial
        return {
            "path": self.path,
            "backend": "trt",
            "size_bytes": self.size_bytes,
            "source_size_bytes": self.source_size_bytes,
            "sha256": self.sidecar.engine_sha256,
            "onnx": None if self.onnx is None else str(self.onnx),
            "calibration": None if trial is None else trial.candidate.calibration,
            "tools": [] if trial is None else list(trial.candidate.tools),
            "samples": 0 if made is None else made.samples,
            **({"drop": None, "confirmed": None} if trial is None else trial.accuracy()),
            "fp16_drop": None if self.fp16_drop is None else self.fp16_drop.to_json(),
            "warnings": list(self.warnings),
            "ranges": {} if made is None else {k: list(v) for k, v in made.ranges.items()},
            "plan": None if made is None else made.plan.to_json(),
            "sidecar": self.sidecar.to_json(),
        }
