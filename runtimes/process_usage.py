"""What a process has used so far: CPU time, and time spent waiting for a core."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Usage", "usage"]

_TASKS = Path("/proc/self/task")


@dataclass(frozen=True)
class Usage:
    """Nanoseconds since the process began, or between two moments; all threads together."""

    cpu: int
    waited: int | None
    """On the run queue, ready to run while another had the core; None where Linux does not tell."""

    def since(self, before: Usage) -> Usage:
        """What was used after ``before``."""
        known = self.waited is not None and before.waited is not None
        # A thread that ended in between takes its waiting with it.
        waited = max(0, (self.waited or 0) - (before.waited or 0)) if known else None
        return Usage(self.cpu - before.cpu, waited)


def usage() -> Usage:
    """Of this process, now. Takes some tens of microseconds: not for use within a timed run."""
    return Usage(time.process_time_ns(), _waited())


def _waited() -> int | None:
    """The second number of each thread's schedstat (Linux, Documentation/scheduler)."""
    total = 0
    try:
        for task in _TASKS.iterdir():
            total += int((task / "schedstat").read_bytes().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return total
