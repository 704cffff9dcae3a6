"""The bench against itself: how often it calls a file different from the same file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from math import comb, inf, sqrt
from pathlib import Path
from statistics import median
from typing import Any

from ... import __version__
from ...errors import InputError, NncError
from ...progress import SILENT, Progress
from ..artifact import NO_OVERRIDES, Artifact, CardOverrides
from ..environment import describe_environment
from ..statistics import wilson
from ..workers.pinning import choose_cpus
from ..workers.system_load import busy_shares, snapshot
from .answering import timed_images
from .figures import latencies
from .fit import read_comparable
from .launches import time_files
from .noise import Noise, NoiseMeter
from .result import SCHEMA_VERSION
from .room import warn_of_crowding
from .rows import bench_rows
from .settings import BenchSettings
from .speedup import Speedup
from .subject import Subject

__all__ = ["ALLOWED", "FAR_TOO_OFTEN", "RUNS", "SelfCheck", "self_check"]

ALLOWED = 0.05
"""How often a 95% interval may miss 1 where both files are the same."""
FAR_TOO_OFTEN = 0.2
"""What has to be ruled out before it is said that the method holds `ALLOWED`."""
RUNS = 20
_HARDLY = 0.05
_MOST_RUNS = 1000


@dataclass(frozen=True)
class SelfCheck:
    """A file measured against itself, ``runs`` times."""

    artifact: Artifact
    settings: BenchSettings
    environment: Mapping[str, Any]
    created: str
    command: tuple[str, ...] | None
    noise: Noise
    runs: tuple[Speedup, ...]

    @property
    def different(self) -> int:
        """Runs that called the file faster or slower than itself."""
        return sum(run.different for run in self.runs)

    @property
    def noisy(self) -> int:
        """Runs that were too noisy for a verdict, which are no false alarms either."""
        return sum(run.verdict == "too noisy" for run in self.runs)

    @property
    def smallest_difference(self) -> float:
        """What half of the runs could have shown: the median of half an interval, as a share."""
        return median(sqrt(run.high / run.low) - 1 if run.low > 0 else inf for run in self.runs)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of the share of runs that called the file different."""
        return wilson(self.different, len(self.runs))

    @property
    def verdict(self) -> str:
        """``held``, ``missed`` or ``not shown``.

        Missed where chance would hardly bring so many false alarms (the exact binomial test at 5%);
        held where else the whole interval lies under `FAR_TOO_OFTEN`. With few runs it does not.
        """
        if _chance(self.different, len(self.runs)) < _HARDLY:
            return "missed"
        return "held" if self.interval[1] < FAR_TOO_OFTEN else "not shown"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        low, high = self.interval
        smallest = self.smallest_difference
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "self-check",
            "nnc": __version__,
            "created": self.created,
            "command": None if self.command is None else list(self.command),
            "environment": dict(self.environment),
            "settings": {
                "device": self.settings.devices[0],
                "provider": self.settings.provider,
                "threads": self.settings.threads[0],
                "batch_size": self.settings.batch_sizes[0],
                "rounds": self.settings.launch_count * self.settings.rounds_per_launch,
                "seconds": self.settings.seconds,
                "launches": self.settings.launch_count,
                "seed": self.settings.seed,
            },
            "file": str(self.artifact.path),
            "name": self.artifact.path.name,
            "sha256": self.artifact.sha256,
            "noise": self.noise.to_json(),
            "different": self.different,
            "share": self.different / len(self.runs),
            "low": low,
            "high": high,
            "allowed": ALLOWED,
            "too_noisy": self.noisy,
            "smallest_difference": smallest if smallest < inf else None,
            "verdict": self.verdict,
            "runs": [run.to_json() for run in self.runs],
        }


def self_check(
    file: Path,
    settings: BenchSettings,
    runs: int = RUNS,
    *,
    overrides: CardOverrides = NO_OVERRIDES,
    progress: Progress = SILENT,
    command: Sequence[str] | None = None,
) -> SelfCheck:
    """Measure the speed of ``file`` against itself ``runs`` times, each time with another seed.

    Of ``settings`` the first number of threads and the first batch size count. Raises InputError
    for a bad file, NncError where its runtime dies.
    """
    if not 1 <= runs <= _MOST_RUNS:
        raise InputError(f"{runs} runs: expected a whole number from 1 to {_MOST_RUNS}")
    before = snapshot()
    (artifact,) = read_comparable([file], overrides, trust=settings.trust)
    settings = replace(settings, threads=settings.threads[:1], batch_sizes=settings.batch_sizes[:1])
    warn_of_crowding(settings)
    images = timed_images([artifact, artifact], settings, None)
    cpus = choose_cpus(settings.threads, busy_shares(before, snapshot()))
    meter = NoiseMeter(cpus[settings.threads[0]], settings.threads[0])
    found: list[Speedup] = []
    with progress.task("self-check", runs) as task:
        for number in range(runs):
            told = replace(settings, seed=settings.seed + number)
            found.append(_once(artifact, told, images, meter, cpus))
            alarms = sum(run.different for run in found)
            task.advance(note=f"{alarms} of {len(found)} called different")
    return SelfCheck(
        artifact=artifact,
        settings=settings,
        environment=describe_environment(),
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=None if command is None else tuple(command),
        noise=meter.result(),
        runs=tuple(found),
    )


def _once(
    artifact: Artifact,
    settings: BenchSettings,
    images: Mapping[int, Any],
    meter: NoiseMeter,
    cpus: Mapping[int, tuple[int, ...] | None],
) -> Speedup:
    (row,) = bench_rows([artifact], settings.devices[:1], settings.options, torch_compile=False)
    both = [Subject(row.artifact, row.device, row.options) for _ in range(2)]
    time_files(both, settings, images, meter, cpus, SILENT)
    for one in both:
        if one.error is not None:
            raise NncError(one.error)
    speedup = latencies(both, settings)[1][0].speedup
    if speedup is None:
        raise RuntimeError(f"{artifact.path}: no speed-up of a file that was timed")
    return speedup


def _chance(alarms: int, runs: int) -> float:
    """How likely ``alarms`` or more of ``runs`` are where each is one with `ALLOWED`."""
    fewer = sum(
        comb(runs, count) * ALLOWED**count * (1 - ALLOWED) ** (runs - count)
        for count in range(alarms)
    )
    return 1 - fewer
