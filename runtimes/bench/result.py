"""What was measured: dataclasses, and the JSON object that docs/bench-json.md describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..verdicts.bench_shape import SCHEMA_VERSION

if TYPE_CHECKING:
    from ..accuracy.accuracy import Accuracy
    from ..accuracy.agreement import Agreement
    from ..artifact import Artifact
    from ..file_facts import SizeFacts
    from ..roofline import Peak, Profile
    from .answering import Data
    from .figures import Latency, Spread
    from .noise import Noise
    from .settings import BenchSettings
    from .speedup import Speedup

__all__ = ["SCHEMA_VERSION", "BenchResult", "FileResult"]


@dataclass(frozen=True)
class FileResult:
    """What was measured of one file; what was not is None or empty."""

    artifact: Artifact
    runtime: str
    device: str
    provider: str | None
    """Of an ONNX file on a GPU."""
    error: str | None
    """The line that its runtime died with."""
    warnings: tuple[str, ...]
    load_ms: Spread | None
    first_inference_ms: Spread | None
    peak_memory_bytes: int | None
    size: SizeFacts
    accuracy: Accuracy | None
    agreement: Agreement | None
    """With the baseline; None for itself."""
    latencies: tuple[Latency, ...]
    """One for each number of threads and batch size, the headline first."""
    profile: Profile | None

    @property
    def latency(self) -> Latency:
        """The headline; ValueError where its runtime died before."""
        if not self.latencies:
            raise ValueError(f"{self.artifact.path} has no latency: {self.error}")
        return self.latencies[0]

    @property
    def speedup(self) -> Speedup:
        """The headline's, against the first file; ValueError where there is none."""
        speedup = self.latency.speedup
        if speedup is None:
            raise ValueError(f"{self.artifact.path} has no speed-up: the baseline has no times")
        return speedup

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        artifact, spec = self.artifact, self.artifact.card.input
        return {
            "file": str(artifact.path),
            "name": artifact.path.name,
            "kind": artifact.kind,
            "sha256": artifact.sha256,
            "runtime": self.runtime,
            "device": self.device,
            "provider": self.provider,
            "error": self.error,
            "warnings": list(self.warnings),
            "input": {
                "channels": spec.channels,
                "height": spec.height,
                "width": spec.width,
                "mean": list(spec.mean),
                "std": list(spec.std),
            },
            "labels": list(artifact.card.labels),
            "size": self.size.to_json(),
            "load_ms": None if self.load_ms is None else self.load_ms.to_json(),
            "first_inference_ms": (
                None if self.first_inference_ms is None else self.first_inference_ms.to_json()
            ),
            "peak_memory_bytes": self.peak_memory_bytes,
            "accuracy": None if self.accuracy is None else self.accuracy.to_json(),
            "agreement": None if self.agreement is None else self.agreement.to_json(),
            "latency": [latency.to_json() for latency in self.latencies],
            "profile": None if self.profile is None else self.profile.to_json(),
        }


@dataclass(frozen=True)
class BenchResult:
    """What was measured of all files, in their order; the first is the baseline."""

    settings: BenchSettings
    cpus: tuple[int, ...] | None
    """What the timed processes were bound to; None where they were not."""
    environment: Mapping[str, Any]
    created: str
    """UTC, as ``2026-11-25T19:30:00Z``."""
    version: str
    """Of nnc."""
    command: tuple[str, ...] | None
    """The command line; None from Python."""
    data: Data | None
    noise: Noise
    peaks: tuple[Peak, ...] | None
    """One for each number of threads."""
    files: tuple[FileResult, ...]

    @property
    def failed(self) -> tuple[FileResult, ...]:
        """The files whose runtimes died."""
        return tuple(file for file in self.files if file.error is not None)

    def to_json(self) -> dict[str, Any]:
        """The object that ``nnc bench --json`` prints."""
        settings = self.settings
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "bench",
            "nnc": self.version,
            "created": self.created,
            "command": None if self.command is None else list(self.command),
            "environment": dict(self.environment),
            "settings": {
                "device": settings.device,
                "provider": settings.provider,
                "threads": list(settings.threads),
                "batch_sizes": list(settings.batch_sizes),
                "rounds": settings.launch_count * settings.rounds_per_launch,
                "seconds": settings.seconds,
                "launches": settings.launch_count,
                "seed": settings.seed,
                "images": settings.images,
                "cpus": None if self.cpus is None else list(self.cpus),
            },
            "data": None if self.data is None else self.data.to_json(),
            "noise": self.noise.to_json(),
            "peaks": None if self.peaks is None else [peak.to_json() for peak in self.peaks],
            "files": [file.to_json() for file in self.files],
            "budgets": [],
        }
