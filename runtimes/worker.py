"""Inside a worker: a fresh process that runs one file, told what to do over its standard input."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import NncError
from ..model_card import InputSpec
from .frames import read_frame, write_frame

if TYPE_CHECKING:
    import numpy as np

    from .base import Runtime

__all__ = ["main", "peak_memory_bytes"]

Reply = tuple[dict[str, Any], "bytes | memoryview"]


def main() -> None:
    """Serve messages until the bench says ``close`` or goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the bench's to handle
    requests, replies = _own_pipes()
    served = _Served()
    try:
        while True:
            header, payload = read_frame(requests)
            command = header.pop("command")
            if command == "close":
                break
            write_frame(replies, *_answer(served, command, header, payload))
    except (EOFError, BrokenPipeError):
        pass
    finally:
        served.close()


def peak_memory_bytes() -> int | None:
    """The most memory this process has held: interpreter, engine, network and activations.

    Host memory alone. On Linux the high-water mark of the process image itself; ru_maxrss starts
    there from what the parent held when it forked.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class _Served:
    """The one runtime of this process, and the batch it is timed with."""

    def __init__(self) -> None:
        self.runtime: Runtime | None = None
        self.path = Path()
        self.spec: InputSpec | None = None
        self.feeds: dict[str, np.ndarray[Any, Any]] = {}

    def open(self, payload: bytes, *, path: str, device: str, threads: int, spec: Any) -> Reply:
        from .registry import open_runtime

        del payload
        self.path = Path(path)
        self.spec = InputSpec(
            spec["channels"], spec["height"], spec["width"], tuple(spec["mean"]), tuple(spec["std"])
        )
        runtime = open_runtime(self.path, device, threads)
        runtime.__enter__()
        self.runtime = runtime
        return {"runtime": runtime.name, "batch": runtime.inputs[0].shape[0]}, b""

    def prepare(self, payload: bytes, *, shape: list[int], seconds: float) -> Reply:
        from .latency import warm_up
        from .preprocess import normalise

        runtime, spec = self._opened()
        self.feeds = {runtime.inputs[0].name: normalise(_images(payload, shape), spec)}
        return {"nanoseconds": warm_up(runtime, self.feeds, seconds)}, b""

    def time(self, payload: bytes, *, runs: int) -> Reply:
        from .latency import time_runs

        del payload
        return {}, time_runs(self._opened()[0], self.feeds, runs).tobytes()

    def memory(self, payload: bytes) -> Reply:
        del payload
        return {"bytes": peak_memory_bytes()}, b""

    def predict(self, payload: bytes, *, shape: list[int], classes: int) -> Reply:
        from .accuracy import predict

        runtime, spec = self._opened()
        found = predict(runtime, _images(payload, shape), spec, classes, self.path)
        return {}, found.tobytes()

    def close(self) -> None:
        if self.runtime is not None:
            self.runtime.__exit__(None, None, None)

    def _opened(self) -> tuple[Runtime, InputSpec]:
        if self.runtime is None or self.spec is None:
            raise RuntimeError("no file is open")
        return self.runtime, self.spec


_COMMANDS = {
    "memory": _Served.memory,
    "open": _Served.open,
    "predict": _Served.predict,
    "prepare": _Served.prepare,
    "time": _Served.time,
}


def _answer(served: _Served, command: str, header: dict[str, Any], payload: bytes) -> Reply:
    """The reply to one message; errors travel by class name, bugs with their traceback."""
    handler: Any = _COMMANDS[command]
    try:
        reply: Reply = handler(served, payload, **header)
        return reply
    except NncError as error:
        return {"error": type(error).__name__, "message": str(error)}, b""
    except MemoryError:
        message = f"{served.path}: not enough memory to run it; try a smaller --batch-size"
        return {"error": "NncError", "message": message}, b""
    except Exception:  # noqa: BLE001 - handed on to the bench, which raises it
        return {"error": "", "message": traceback.format_exc()}, b""


def _images(payload: bytes, shape: list[int]) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.frombuffer(payload, np.uint8).reshape(shape)


def _own_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Move the messages off descriptors 0 and 1, so that nothing a library prints joins them."""
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return os.fdopen(requests, "rb"), os.fdopen(replies, "wb")
