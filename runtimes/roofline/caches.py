"""How much the last-level caches hold that a number of threads can use."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_bytes"]

_CPUS = Path("/sys/devices/system/cpu")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def cache_bytes(threads: int, folder: Path = _CPUS) -> int | None:
    """Bytes of the last-level caches of ``threads`` CPUs; None where the system does not tell.

    CPUs are those this process may run on. Each thread is taken to run beside a cache of its own
    as long as there are more of them: the most that a runtime could have.
    """
    caches: dict[str, int] = {}
    for cpu in _own_cpus(folder):
        found = _last_level(folder / f"cpu{cpu}" / "cache")
        if found is not None:
            shared, size = found
            caches[shared] = size
    largest = sorted(caches.values(), reverse=True)[:threads]
    return sum(largest) or None


def _own_cpus(folder: Path) -> list[int]:
    try:
        return sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        names = (path.name.removeprefix("cpu") for path in folder.glob("cpu[0-9]*"))
        return sorted(int(name) for name in names if name.isdigit())


def _last_level(folder: Path) -> tuple[str, int] | None:
    """Which CPUs share the last cache of one, as the system writes it, and its bytes."""
    found = [cache for index in folder.glob("index[0-9]*") if (cache := _cache(index))]
    return max(found)[1:] if found else None


def _cache(folder: Path) -> tuple[int, str, int] | None:
    """Level, sharing CPUs and bytes of one cache that holds data; None where it is unreadable."""
    try:
        kind, level, size, shared = (
            (folder / name).read_text(encoding="ascii").strip()
            for name in ("type", "level", "size", "shared_cpu_list")
        )
        amount = int(size.rstrip("KMG")) * _UNITS.get(size[-1:], 1)
        return None if kind == "Instruction" or not amount else (int(level), shared, amount)
    except (OSError, ValueError):
        return None
