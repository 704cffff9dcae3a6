"""Ctrl-C and SIGTERM held back while a C++ library is at work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["held_signals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_signals() -> Iterator[Callable[[], bool]]:
    """Let no signal raise inside the block; the first that came is answered when it ends.

    Where a library calls back into Python, the interpreter raises KeyboardInterrupt in that call,
    and the library prints and forgets it: the work goes on as if nobody had pressed a key. Yields a
    function that says whether a signal waits, for work that can be stopped half-way. Signals that
    have no Python handler do what they always do, and so do all outside the main thread.
    """
    waiting: list[tuple[int, Any]] = []

    def wait(number: int, frame: Any) -> None:
        waiting.append((number, frame))

    before: dict[int, Callable[[int, Any], object]] = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = handler
                signal.signal(number, wait)
    try:
        yield lambda: bool(waiting)
    finally:
        for held, own in before.items():
            with suppress(ValueError):  # the interpreter is ending
                signal.signal(held, own)
        if waiting:
            came, frame = waiting[0]
            before[came](came, frame)
