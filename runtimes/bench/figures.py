"""What the timed rounds of a file come to: percentiles, throughput, CPU time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..gpu.latency import GpuLatency, summarise_gpu
from .speedup import Speedup, baseline, ratio_interval, speedup

if TYPE_CHECKING:
    from ..workers.latency import TimedRound
    from .settings import BenchSettings
    from .subject import Pair, Subject

__all__ = ["UNDISTURBED", "Latency", "Spread", "latencies"]

UNDISTURBED = 10
"""The percentile of a round that files are compared by.

What else a machine does only ever adds time to an inference, so that low percentiles say most of
the file and least of the rest (Chen and Revels, "Robust benchmarking in noisy environments", 2016).
Where other programs took half of the time, the ratio of the medians differed by 11 % from launch to
launch, that of the 10th percentiles by 0.8 %. The least time of all would hang on a single run.
"""


@dataclass(frozen=True)
class Spread:
    """Something that happens once a launch: the median, the least and the greatest."""

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None for no values."""
        from statistics import median

        if not values:
            return None
        return cls(median(values), min(values), max(values), len(values))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"median": self.median, "low": self.low, "high": self.high, "runs": self.runs}


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one inference, over all rounds of all launches."""

    threads: int
    batch_size: int
    percentiles: tuple[float, ...]
    """From 0 to 100."""
    low: float
    """Of the median's 95% interval; the percentiles say where single inferences lie."""
    high: float
    runs: int
    rounds: int
    launches: int
    cpu: float
    """CPU milliseconds of one inference, all threads together."""
    gpu: GpuLatency | None
    """Where the time went on a GPU; None on the CPU and where it cannot be told."""
    speedup: Speedup | None
    """None where the baseline has no times."""

    @property
    def median(self) -> float:
        """Of all runs."""
        return self.percentiles[50]

    @property
    def images_per_second(self) -> float:
        """At the median."""
        return 1000 * self.batch_size / self.median

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "threads": self.threads,
            "batch_size": self.batch_size,
            "median": self.median,
            "low": self.low,
            "high": self.high,
            "p5": self.percentiles[5],
            "p95": self.percentiles[95],
            "p99": self.percentiles[99],
            "percentiles": list(self.percentiles),
            "runs": self.runs,
            "rounds": self.rounds,
            "launches": self.launches,
            "images_per_s": self.images_per_second,
            "cpu_ms": self.cpu,
            "gpu": None if self.gpu is None else self.gpu.to_json(),
            "speedup": None if self.speedup is None else self.speedup.to_json(),
        }


def latencies(subjects: Sequence[Subject], settings: BenchSettings) -> list[tuple[Latency, ...]]:
    """The figures of each subject: one for each pair of which all launches were timed."""
    return [
        tuple(
            _latency(
                subject.rounds[pair],
                pair,
                _speedup(subject, subjects[0], pair, settings),
                settings.seed,
            )
            for pair in settings.pairs
            if subject.complete(pair, settings.launch_count)
        )
        for subject in subjects
    ]


def _speedup(
    subject: Subject, first: Subject, pair: Pair, settings: BenchSettings
) -> Speedup | None:
    if not first.complete(pair, settings.launch_count):
        return None
    if subject is first:
        return baseline(settings.launch_count * settings.rounds_per_launch)
    base, own = (_percentiles(one.rounds[pair], UNDISTURBED) for one in (first, subject))
    return speedup(base, own, settings.seed)


def _latency(
    launches: Sequence[Sequence[TimedRound]], pair: Pair, speedup: Speedup | None, seed: int
) -> Latency:
    import numpy as np

    rounds = [timed for launch in launches for timed in launch]
    every = np.concatenate([timed.times[0] for timed in rounds])
    percentiles = tuple(map(float, np.percentile(every / 1e6, np.arange(101))))
    # Of the geometric mean over launches, by the same reasoning as a speed-up's; stretched to the
    # median of all runs, which it may just miss.
    _, low, high = ratio_interval(_percentiles(launches, 50), seed)
    return Latency(
        threads=pair[0],
        batch_size=pair[1],
        percentiles=percentiles,
        low=min(low / 1e6, percentiles[50]),
        high=max(high / 1e6, percentiles[50]),
        runs=len(every),
        rounds=len(rounds),
        launches=len(launches),
        cpu=sum(timed.used.cpu for timed in rounds) / 1e6 / len(every),
        gpu=summarise_gpu([timed.times for timed in rounds]),
        speedup=speedup,
    )


def _percentiles(launches: Sequence[Sequence[TimedRound]], which: float) -> list[list[float]]:
    """A percentile of each round, in nanoseconds, by launch."""
    import numpy as np

    return [
        [float(np.percentile(timed.times[0], which)) for timed in launch] for launch in launches
    ]
