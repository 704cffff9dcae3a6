"""How quiet the machine was while the files were timed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..workers.system_load import Snapshot, allowed_cpus, process_ticks, snapshot

if TYPE_CHECKING:
    from ..workers.latency import TimedRound

__all__ = ["Noise", "NoiseMeter"]

MUCH_STEAL = 0.02
MUCH_WAITING = 0.02
MUCH_LOAD = 0.5
"""Of the cores that the timed threads leave free."""
LITTLE_LOAD = 0.1
"""Cores that are never worth a word."""


@dataclass(frozen=True)
class Noise:
    """What else happened on the machine while the files were timed."""

    steal: float | None
    """Share of the timed seconds that the hypervisor took; None where that is not known."""
    waiting: float | None
    """Share of the timed seconds that the timed processes waited for a core."""
    load: float | None
    """Cores that other processes kept busy."""
    reasons: tuple[str, ...]
    """Why it was not quiet, a line each."""

    @property
    def verdict(self) -> str:
        """``quiet``, ``noisy``, or ``unknown`` where the system tells nothing."""
        if self.reasons:
            return "noisy"
        known = any(value is not None for value in (self.steal, self.waiting, self.load))
        return "quiet" if known else "unknown"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "steal": self.steal,
            "waiting": self.waiting,
            "load": self.load,
        }


class NoiseMeter:
    """Watches the machine over all stretches of timing."""

    def __init__(self, cpus: Sequence[int] | None, threads: int) -> None:
        """``cpus``: what the timed processes are bound to; ``threads``: the most they have."""
        self._cpus = frozenset(cpus) if cpus is not None else allowed_cpus()
        self._threads = threads
        self._stolen = self._ticks = 0
        self._others = self._seconds = 0.0
        self._waited = self._wall = 0
        self._waiting_known = True

    @contextmanager
    def watching(self, pids: Sequence[int]) -> Iterator[None]:
        """Count what happens within; ``pids`` are the timed processes."""
        own = (os.getpid(), *pids)
        before, used = snapshot(), process_ticks(own)
        yield
        self._add(before, snapshot(), used, process_ticks(own))

    def add_round(self, timed: TimedRound, threads: int) -> None:
        """Count how long the ``threads`` of a timed process waited, which they do together."""
        self._wall += timed.wall * threads
        if timed.used.waited is None:
            self._waiting_known = False
        else:
            self._waited += timed.used.waited

    def _add(self, before: Snapshot, after: Snapshot, used: int | None, now: int | None) -> None:
        for cpu in self._cpus & before.cpus.keys() & after.cpus.keys():
            self._stolen += after.cpus[cpu].stolen - before.cpus[cpu].stolen
            self._ticks += after.cpus[cpu].whole - before.cpus[cpu].whole
        if used is None or now is None:  # one of them has died
            return
        busy = sum(
            ticks.busy - before.cpus[cpu].busy
            for cpu, ticks in after.cpus.items()
            if cpu in before.cpus
        )
        if after.cpus:
            self._others += (busy - (now - used)) / os.sysconf("SC_CLK_TCK")
            self._seconds += after.seconds - before.seconds

    def result(self, wide: Sequence[str] = ()) -> Noise:
        """What was seen; ``wide`` are lines on intervals that are too wide for a verdict."""
        steal = self._stolen / self._ticks if self._ticks else None
        known = self._waiting_known and self._wall
        waiting = min(1.0, self._waited / self._wall) if known else None
        load = max(0.0, self._others / self._seconds) if self._seconds else None
        return Noise(steal, waiting, load, (*self._reasons(steal, waiting, load), *wide))

    def _reasons(
        self, steal: float | None, waiting: float | None, load: float | None
    ) -> Iterator[str]:
        cores = len(allowed_cpus())
        if steal is not None and steal > MUCH_STEAL:
            yield f"the hypervisor took {steal:.0%} of the time from this machine"
        if waiting is not None and waiting > MUCH_WAITING:
            yield f"the timed processes waited for a core {waiting:.0%} of the time"
        free = max(LITTLE_LOAD, MUCH_LOAD * (cores - self._threads))
        if load is not None and load > free:
            yield f"other programs kept {load:.1f} of {cores} cores busy"
