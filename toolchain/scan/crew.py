"""The processes that share a scan's work, and the threads that keep each of them busy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ...runtimes.child_process import ChildProcess
from .points import Measured, Point

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Crew", "Task"]

_T = TypeVar("_T")

Task = tuple[Point, "float | dict[str, float]", Path]
"""A point, the fractions that it stands for, and the file of its retraining."""


class Crew:
    """``jobs`` fresh processes of one thread each; a context manager that ends them all.

    Each is given paths and plain settings (``opening``) and opens the files itself. An error in
    one is raised by `parts` or `measure`.
    """

    def __init__(self, checkpoint: Path, opening: Mapping[str, Any], jobs: int) -> None:
        self._opening = opening
        self._children = [
            ChildProcess("toolchain.scan.worker", checkpoint, threads=1) for _ in range(jobs)
        ]
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._opened: SimpleQueue[dict[str, int] | Exception] = SimpleQueue()
        self._results: SimpleQueue[tuple[Point, Measured] | Exception] = SimpleQueue()
        self._stack = ExitStack()
        self._threads: list[Thread] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for child in self._children:
                stack.enter_context(child)
                thread = Thread(target=self._keep_busy, args=(child,), daemon=True)
                self._threads.append(thread)
                thread.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in self._children:
            child.kill()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()
        self._stack.close()

    def parts(self) -> dict[str, int]:
        """What can be pruned on its own and of how many units each is, once a process has it."""
        return _value(self._opened.get())

    def measure(self, tasks: Sequence[Task]) -> Iterator[tuple[Point, Measured]]:
        """The results of ``tasks``, as they come."""
        for task in tasks:
            self._tasks.put(task)
        for _ in tasks:
            yield _value(self._results.get())

    def _keep_busy(self, child: ChildProcess) -> None:
        try:
            self._opened.put(child.ask("open", **self._opening)[0]["parts"])
            while (task := self._tasks.get()) is not None:
                point, fractions, work = task
                reply, _ = child.ask(
                    "measure", point=asdict(point), fractions=fractions, work=str(work)
                )
                self._results.put((point, Measured(**reply)))
        except Exception as error:  # noqa: BLE001 - raised again where the result is waited for
            self._opened.put(error)
            self._results.put(error)


def _value(answer: _T | Exception) -> _T:
    if isinstance(answer, Exception):
        raise answer
    return answer
