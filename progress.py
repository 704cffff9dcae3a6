"""How a stage tells what it is doing, without knowing who watches."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

__all__ = ["SILENT", "Progress", "Task"]


class Task(Protocol):
    """One bar: a known number of steps."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move on by ``steps``; ``note`` (a loss, an accuracy) replaces the text beside the bar."""


class Progress(Protocol):
    """Opens bars; the command line draws them on stderr, the Python API stays silent."""

    def task(self, description: str, total: int) -> AbstractContextManager[Task]:
        """Show ``description`` with ``total`` steps until the context ends."""


class _SilentTask:
    def advance(self, steps: int = 1, note: str = "") -> None:
        pass


class _SilentProgress:
    def task(self, description: str, total: int) -> AbstractContextManager[Task]:
        return nullcontext(_SilentTask())


SILENT: Progress = _SilentProgress()
