"""What TensorRT calls while it works: a logger, and a monitor that can stop a build."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import tensorrt as trt

    from .library import Library

__all__ = ["new_logger", "new_monitor"]

_LOGGERS: dict[str, tuple[Any, list[Callable[[str, str], None]]]] = {}


def new_logger(library: Library, sink: Callable[[str, str], None]) -> trt.ILogger:
    """The logger, which hands each message to ``sink`` as (severity, text).

    Severities are ``internal_error``, ``error``, ``warning``, ``info`` and ``verbose``. A library
    keeps the first logger that a process shows it and ignores all others, so there is one: a later
    ``sink`` takes the place of the one before.
    """
    if library.flavour not in _LOGGERS:
        sinks: list[Callable[[str, str], None]] = []
        base = library.module.ILogger

        def start(self: Any) -> None:
            base.__init__(self)

        def log(_self: Any, severity: Any, text: str) -> None:
            sinks[0](severity.name.lower(), " ".join(str(text).split()))

        made = type("Logger", (base,), {"__init__": start, "log": log})()
        _LOGGERS[library.flavour] = (made, sinks)
    logger: trt.ILogger
    logger, heard = _LOGGERS[library.flavour]
    heard[:] = [sink]
    return logger


def new_monitor(library: Library, stopped: Callable[[], bool]) -> trt.IProgressMonitor | None:
    """What ends a build at its next step once ``stopped`` says so; None where there is no such."""
    base = getattr(library.module, "IProgressMonitor", None)
    if base is None:
        return None

    def start(self: Any) -> None:
        base.__init__(self)

    def phase_start(_self: Any, _phase: str, _parent: str | None, _steps: int) -> None:
        pass

    def step_complete(_self: Any, _phase: str, _step: int) -> bool:
        return not stopped()

    def phase_finish(_self: Any, _phase: str) -> None:
        pass

    methods = {
        "__init__": start,
        "phase_start": phase_start,
        "step_complete": step_complete,
        "phase_finish": phase_finish,
    }
    monitor: trt.IProgressMonitor = type("Monitor", (base,), methods)()
    return monitor
