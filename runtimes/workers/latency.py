"""Latency: how it is sampled inside a worker."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, cast

from ..base import DeviceTimed
from .process_usage import Usage, usage_between, usage_now

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from ..base import Runtime

__all__ = [
    "TimedRound",
    "runs_per_round",
    "time_round",
    "time_runs",
    "warm_up",
]

_STABLE = 0.05
"""Warm-up ends when two windows' medians differ by less than this share."""
_WINDOW_NS = 50_000_000
_LEAST_RUNS = 3


@dataclass(frozen=True)
class TimedRound:
    """The inferences of one round, and what they used."""

    times: np.ndarray[Any, Any]
    """int64 nanoseconds [1, runs], or [4, runs] where the runtime tells where the time went on a
    GPU (`DeviceTimes`): the whole inference by the host's clock, the copy there, the computing,
    the copy back."""
    wall: int
    """Nanoseconds from the first run to the end of the last."""
    used: Usage


def warm_up(runtime: Runtime, feeds: Mapping[str, np.ndarray[Any, Any]], seconds: float) -> float:
    """Run until the latency is stable, for ``seconds`` at most; nanoseconds of one inference.

    Stable: the medians of two windows in a row (50 ms or 3 runs, whichever is longer) differ by
    under 5%. Nothing but the first run begins when the time is up. Of the last window the mean is
    returned: where threads wait for each other, one run in a hundred may take as long as the rest.
    """
    import numpy as np

    def timed() -> int:
        start = perf_counter_ns()
        runtime.run(feeds)
        return perf_counter_ns() - start

    end = perf_counter_ns() + int(seconds * 1e9)
    latest, before = float(timed()), 0.0
    while True:
        window: list[int] = []
        while len(window) < _LEAST_RUNS or sum(window) < _WINDOW_NS:
            if perf_counter_ns() > end:
                return float(np.mean(window)) if window else latest
            window.append(timed())
        median = float(np.median(window))
        if abs(median - before) < _STABLE * median:
            return float(np.mean(window))
        latest, before = float(np.mean(window)), median


def time_runs(
    runtime: Runtime, feeds: Mapping[str, np.ndarray[Any, Any]], runs: int
) -> np.ndarray[Any, Any]:
    """Time ``runs`` inferences one by one, as `time_round` does: int64 nanoseconds [runs]."""
    whole: np.ndarray[Any, Any] = time_round(runtime, feeds, runs).times[0]
    return whole


def time_round(
    runtime: Runtime, feeds: Mapping[str, np.ndarray[Any, Any]], runs: int
) -> TimedRound:
    """Time ``runs`` inferences one by one, garbage collection off.

    A tenth as many (one at least) run untimed first: another process has had the caches. Where the
    runtime tells computing on a GPU from the copies, it is asked after each run, untimed.
    """
    import numpy as np

    for _ in range(max(1, runs // 10)):
        runtime.run(feeds)
    apart = isinstance(runtime, DeviceTimed) and runtime.device_times() is not None
    times = np.zeros((4 if apart else 1, runs), np.int64)
    collecting = gc.isenabled()
    gc.disable()
    try:
        before = usage_now()
        began = perf_counter_ns()
        if apart:
            _fill_apart(cast("DeviceTimed", runtime), feeds, times)
        else:
            _fill(runtime, feeds, times[0])
        wall = perf_counter_ns() - began
        used = usage_between(before)
    finally:
        if collecting:
            gc.enable()
    return TimedRound(times, wall, used)


def _fill(
    runtime: Runtime, feeds: Mapping[str, np.ndarray[Any, Any]], times: np.ndarray[Any, Any]
) -> None:
    for index in range(len(times)):
        start = perf_counter_ns()
        runtime.run(feeds)
        times[index] = perf_counter_ns() - start


def _fill_apart(
    runtime: DeviceTimed, feeds: Mapping[str, np.ndarray[Any, Any]], times: np.ndarray[Any, Any]
) -> None:
    for index in range(times.shape[1]):
        start = perf_counter_ns()
        runtime.run(feeds)
        whole = perf_counter_ns() - start
        if (parts := runtime.device_times()) is not None:
            times[:, index] = whole, parts.host_to_device, parts.compute, parts.device_to_host


def runs_per_round(nanoseconds: float, seconds: float) -> int:
    """How many inferences of ``nanoseconds`` fill a round of ``seconds``; one at least."""
    return max(1, min(100_000, round(seconds * 1e9 / max(nanoseconds, 1.0))))
