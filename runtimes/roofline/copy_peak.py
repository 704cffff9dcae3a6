"""The peak of moving bytes: NumPy copies, one at a time or in several threads at once."""

from __future__ import annotations

import threading
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .best_time import best_seconds

if TYPE_CHECKING:
    import numpy as np

__all__ = ["cache_speed", "memory_speed"]

_LEAST_BYTES = 128 << 20
_MOST_BYTES = 1 << 30
_SMALL_SECONDS = 1e-3
"""About how long small copies are repeated for one time, so that starting them does not count."""


def memory_speed(threads: int, cache: int | None, seconds: float) -> float:
    """Bytes a second read and written by copies far larger than ``cache`` bytes.

    A copy of N bytes moves 2 N. Where the cache's size is not known, of 64 MB to 64 MB.
    """
    total = min(max(_LEAST_BYTES, 4 * (cache or 0)), _MOST_BYTES)
    # One thread may have all of the memory's speed, and several get in each other's way.
    counts = {1, threads}
    return max(_speed(count, total, 1, seconds / len(counts)) for count in counts)


def cache_speed(threads: int, cache: int, seconds: float) -> float:
    """Bytes a second read and written by copies within half of a cache of ``cache`` bytes."""
    total = cache // 2
    once = total / _speed(threads, total, 4, seconds / 4)
    return _speed(threads, total, max(4, round(_SMALL_SECONDS / once)), seconds)


def _speed(threads: int, total: int, repeats: int, seconds: float) -> float:
    """Copies from one half of ``total`` bytes to the other, each thread its own part."""
    import numpy as np

    length = max(1, total // 2 // threads // 8)
    # Ones, not empty pages: those would all be the same page of zeros.
    parts = [(np.ones(length), np.ones(length)) for _ in range(threads)]
    moved = 2 * 8 * length * threads * repeats
    if threads == 1:
        return moved / best_seconds(lambda: _copy(*parts[0], repeats)[1], seconds)
    return moved / best_seconds(lambda: _at_once(parts, repeats), seconds)


def _at_once(parts: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]], repeats: int) -> float:
    """Seconds from the first copy's start to the last one's end."""
    gate = threading.Barrier(len(parts))
    spans: list[tuple[float, float]] = []

    def work(source: np.ndarray[Any, Any], target: np.ndarray[Any, Any]) -> None:
        gate.wait()
        start, took = _copy(source, target, repeats)
        spans.append((start, start + took))

    workers = [threading.Thread(target=work, args=part, daemon=True) for part in parts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return max(end for _, end in spans) - min(start for start, _ in spans)


def _copy(
    source: np.ndarray[Any, Any], target: np.ndarray[Any, Any], repeats: int
) -> tuple[float, float]:
    """When the copies began, and the seconds they took; NumPy lets other threads run meanwhile."""
    import numpy as np

    start = perf_counter()
    for _ in range(repeats):
        np.copyto(target, source)
    return start, perf_counter() - start
