"""A file while it is measured: what was found out so far, and what its runtime died with."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...errors import NncError
from ..base import DEFAULT_OPTIONS, RuntimeOptions
from ..workers.child_process import ChildError
from ..workers.latency import TimedRound

if TYPE_CHECKING:
    from pathlib import Path

    from ..artifact import Artifact

__all__ = ["Pair", "Subject"]

log = logging.getLogger(__name__)

Pair = tuple[int, int]
"""Threads and batch size."""


@dataclass
class Subject:
    """A row of the bench while it is measured: a file on a device, and what was measured so far."""

    artifact: Artifact
    device: str
    options: RuntimeOptions = DEFAULT_OPTIONS
    runtime: str = ""
    load_ms: list[float] = field(default_factory=list)
    """One value a launch, with the headline's threads."""
    first_ms: list[float] = field(default_factory=list)
    peak_memory: int | None = None
    notes: tuple[str, ...] = ()
    """What its runtime said of how it was run."""
    rounds: dict[Pair, list[list[TimedRound]]] = field(default_factory=dict)
    """By threads and batch size: launches, rounds."""
    error: str | None = None
    """What its runtime died with; nothing is measured after that."""
    runs: dict[Pair, int] = field(default_factory=dict)
    """Inferences of one round."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.artifact.path

    def fail(self, error: NncError | ChildError) -> None:
        """Its runtime has died: say so, keep what was measured before."""
        if isinstance(error, ChildError):
            log.info("%s", error)
        text = error.line if isinstance(error, ChildError) else str(error)
        self.error = " ".join(text.split())

    def complete(self, pair: Pair, launches: int) -> bool:
        """Whether all launches of a pair were timed."""
        return len(self.rounds.get(pair, ())) == launches
