"""Progress bars on stderr, for work that takes long enough to want one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from ..report.plain_text import printable
from .rich_console import RichConsole

__all__ = ["ProgressBars"]

SECONDS_BEFORE_SHOWN = 1.0


class _PatientProgress(Progress):
    """Hides a bar until its task has run for a while: short work then never flickers."""

    def get_renderables(self) -> Iterable[RenderableType]:
        shown = [t for t in self.tasks if (t.elapsed or 0.0) >= SECONDS_BEFORE_SHOWN]
        if shown:
            yield self.make_tasks_table(shown)


class _Bar:
    def __init__(self, progress: Progress, identity: TaskID) -> None:
        self._progress = progress
        self._identity = identity

    def advance(self, steps: int = 1, note: str = "") -> None:
        if note:
            self._progress.update(self._identity, note=escape(printable(note)))
        self._progress.advance(self._identity, steps)


class ProgressBars:
    """`nnc.progress.Progress` as rich draws it; bars may nest, and vanish when they end."""

    def __init__(self) -> None:
        self._progress = _PatientProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}"),
            console=RichConsole(stderr=True),
            transient=True,
            refresh_per_second=4,  # a busier display would disturb what is being timed
            redirect_stdout=False,
        )
        self._open = 0

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[_Bar]:
        """Show ``description`` with ``total`` steps until the context ends."""
        identity = self._progress.add_task(escape(printable(description)), total=total, note="")
        if self._open == 0:
            self._progress.start()
        self._open += 1
        try:
            yield _Bar(self._progress, identity)
        finally:
            self._progress.remove_task(identity)
            self._open -= 1
            if self._open == 0:
                self._progress.stop()
