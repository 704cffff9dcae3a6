"""Processes that share one job's work, and the threads that keep each of them busy."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ..runtimes.workers.child_process import ChildProcess

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Crew", "available_cores"]

_T = TypeVar("_T")
_Task = tuple[Hashable, str, dict[str, Any]]


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Crew:
    """``jobs`` fresh processes with ``threads`` threads; a context manager that ends them all.

    Each runs ``main`` of ``module`` (see `nnc.runtimes.workers.child.serve`) and is first told
    ``open`` with ``opening``: paths and plain values, from which it opens the files itself. An
    error in one of them is raised by `opened` or `result`.
    """

    def __init__(
        self, module: str, path: Path, opening: Mapping[str, Any], *, jobs: int, threads: int = 1
    ) -> None:
        self._opening = opening
        self._children = [ChildProcess(module, path, threads=threads) for _ in range(jobs)]
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._opened: SimpleQueue[dict[str, Any] | Exception] = SimpleQueue()
        self._results: SimpleQueue[tuple[Hashable, dict[str, Any]] | Exception] = SimpleQueue()
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

    def opened(self) -> dict[str, Any]:
        """What the first process to be ready replied to ``open``."""
        return _value(self._opened.get())

    def submit(self, key: Hashable, command: str, **settings: Any) -> None:
        """Give ``command`` to the next process that is free."""
        self._tasks.put((key, command, settings))

    def result(self) -> tuple[Any, dict[str, Any]]:
        """The next reply to come, with the key of its task."""
        return _value(self._results.get())

    def _keep_busy(self, child: ChildProcess) -> None:
        try:
            self._opened.put(child.ask("open", **self._opening)[0])
            while (task := self._tasks.get()) is not None:
                key, command, settings = task
                self._results.put((key, child.ask(command, **settings)[0]))
        except Exception as error:  # noqa: BLE001 - raised again where the result is waited for
            self._opened.put(error)
            self._results.put(error)


def _value(answer: _T | Exception) -> _T:
    if isinstance(answer, Exception):
        raise answer
    return answer
