"""Which cores the timed processes are bound to, so that the system does not move them about."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from .system_load import allowed_cpus

__all__ = ["choose_cpus", "pin"]

_TOPOLOGY = Path("/sys/devices/system/cpu")


def choose_cpus(
    threads: Iterable[int], busy: Mapping[int, float] | None = None
) -> dict[int, tuple[int, ...] | None]:
    """For each number of threads as many logical CPUs, each a physical core of its own.

    Chosen among those that this process may use, the least busy first (``busy``: share by CPU),
    then by number, CPU 0 last, for it has most of the interrupts. None where there are fewer cores
    than threads, or the system binds no process.
    """
    shares = busy or {}
    # Tenths: less is no difference.
    order = sorted(allowed_cpus(), key=lambda cpu: (round(shares.get(cpu, 0.0), 1), cpu == 0, cpu))
    cores: dict[str, int] = {}
    for cpu in order:
        cores.setdefault(_core(cpu), cpu)
    chosen = list(cores.values())
    return {
        count: tuple(sorted(chosen[:count])) if count <= len(chosen) else None for count in threads
    }


def pin(cpus: Iterable[int]) -> None:
    """Bind this process, and the threads it starts from now on, to ``cpus``.

    Raises OSError where the system refuses.
    """
    os.sched_setaffinity(0, set(cpus))


def _core(cpu: int) -> str:
    """The same for all logical CPUs of one physical core; the CPU's own number where unknown."""
    try:
        path = _TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list"
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return str(cpu)
