"""What the machine does besides: the counters of /proc, and what happened between two looks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "CpuTicks",
    "Snapshot",
    "allowed_cpus",
    "available_memory",
    "busy_shares",
    "process_ticks",
    "snapshot",
]

_STAT = Path("/proc/stat")
_MEMORY = Path("/proc/meminfo")
_MOST_MEMORY = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class CpuTicks:
    """Clock ticks (mostly 10 ms) of one logical CPU since the system started."""

    busy: int
    """In user, system and interrupt code of this system."""
    stolen: int
    """Ready to run while the hypervisor ran something else."""
    whole: int
    """All, idle ones too."""


@dataclass(frozen=True)
class Snapshot:
    """The counters of the CPUs that this process may use; none where the system does not tell."""

    cpus: Mapping[int, CpuTicks]
    seconds: float
    """By a clock that only means something in a difference."""


def snapshot() -> Snapshot:
    """The counters now, by /proc/stat (Linux; proc_stat(5))."""
    try:
        text = _STAT.read_text(encoding="ascii")
    except (OSError, ValueError):
        text = ""
    found = {}
    allowed = allowed_cpus()
    for line in text.splitlines():
        name, _, numbers = line.partition(" ")
        if not name.startswith("cpu") or not name[3:].isdigit() or int(name[3:]) not in allowed:
            continue
        try:
            # Time of a guest stands in user and nice already.
            user, nice, system, idle, waiting, irq, soft, stolen = map(int, numbers.split()[:8])
        except ValueError:
            continue
        busy = user + nice + system + irq + soft
        found[int(name[3:])] = CpuTicks(busy, stolen, busy + idle + waiting + stolen)
    return Snapshot(found, time.perf_counter())


def busy_shares(before: Snapshot, after: Snapshot) -> dict[int, float]:
    """The busy share of each CPU between two looks; none of those that ticked less than ten times.

    What was stolen counts as busy.
    """
    shares = {}
    for cpu, new in after.cpus.items():
        old = before.cpus.get(cpu)
        if old is None or new.whole - old.whole < 10:
            continue
        used = new.busy + new.stolen - old.busy - old.stolen
        shares[cpu] = used / (new.whole - old.whole)
    return shares


def process_ticks(pids: Iterable[int]) -> int | None:
    """Ticks that processes have used so far, their threads too; None where one cannot be told."""
    total = 0
    try:
        for pid in pids:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            # The name in brackets may hold anything.
            fields = text.rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    except (OSError, ValueError, IndexError):
        return None
    return total


def allowed_cpus() -> frozenset[int]:
    """The logical CPUs that this process may use; empty where the system does not tell."""
    try:
        return frozenset(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return frozenset()


def available_memory() -> int | None:
    """Bytes that processes can still take (proc_meminfo(5)), and no more than a container may have.

    None where the system does not tell.
    """
    found = []
    with suppress(OSError, ValueError, IndexError):
        text = _MEMORY.read_text(encoding="ascii").partition("MemAvailable:")[2]
        found.append(1024 * int(text.split()[0]))
    with suppress(OSError, ValueError):  # "max" where there is no limit
        found.append(int(_MOST_MEMORY.read_text(encoding="ascii")))
    return min(found, default=None)
