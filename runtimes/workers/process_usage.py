"""What a process uses: CPU time, and time spent waiting for a core."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Usage", "usage_between", "usage_now"]

_TASKS = Path("/proc/self/task")


@dataclass(frozen=True)
class Usage:
    """Nanoseconds since the process began, or between two moments; all threads together."""

    cpu: int
    waited: int | None
    """On the run queue, ready to run while another had the core; None where Linux does not tell."""


def usage_now() -> Usage:
    """Of this process, the CPU time read last, right before whatever follows."""
    waited = _waited()
    return Usage(time.process_time_ns(), waited)


def usage_between(before: Usage) -> Usage:
    """What this process used since ``before``, the CPU time read first."""
    cpu = time.process_time_ns() - before.cpu
    waited = _waited()
    if waited is None or before.waited is None:
        return Usage(cpu, None)
    # A thread that ended in between takes its waiting with it.
    return Usage(cpu, max(0, waited - before.waited))


def _waited() -> int | None:
    """The second number of each thread's schedstat (Linux, Documentation/scheduler)."""
    total = 0
    try:
        for task in _TASKS.iterdir():
            total += int((task / "schedstat").read_bytes().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return total
