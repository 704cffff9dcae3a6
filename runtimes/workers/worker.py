"""Inside a worker: a fresh process that runs one file, told what to do over its standard input."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from math import prod
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from ...model_card import InputSpec
from .child import Reply, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from ..base import Runtime

__all__ = ["main", "peak_memory_bytes"]


def main() -> None:
    """Serve messages until the bench says ``close`` or goes away."""
    served = _Served()
    commands: dict[str, Callable[..., Reply]] = {
        "memory": served.memory,
        "notes": served.notes,
        "open": served.open,
        "predict": served.predict,
        "prepare": served.prepare,
        "time": served.time,
    }
    try:
        serve(
            commands,
            out_of_memory=lambda: (
                f"{served.path}: not enough memory to run it; try a smaller --batch-size"
            ),
        )
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

    def open(
        self,
        payload: bytes,
        *,
        path: str,
        device: str,
        threads: int,
        spec: Any,
        options: dict[str, Any],
        cpus: list[int] | None,
    ) -> Reply:
        from ..base import RuntimeOptions
        from ..registry import find_runtime, open_runtime
        from .pinning import pin

        del payload
        self.path = Path(path)
        if cpus is not None:
            # Before anything starts threads: they inherit it.
            pin(cpus)
        self.spec = InputSpec(
            spec["channels"], spec["height"], spec["width"], tuple(spec["mean"]), tuple(spec["std"])
        )
        runtime = open_runtime(self.path, device, threads, RuntimeOptions(**options))
        if library := find_runtime(self.path).library:
            with suppress(ImportError):  # the runtime says what is missing
                import_module(library)
        start = perf_counter_ns()
        runtime.__enter__()
        nanoseconds = perf_counter_ns() - start
        self.runtime = runtime
        first = runtime.inputs[0]
        batches = list(first.batches or (first.shape[0], first.shape[0]))
        return {"runtime": runtime.name, "batches": batches, "nanoseconds": nanoseconds}, b""

    def prepare(self, payload: bytes, *, shape: list[int], seconds: float) -> Reply:
        from ..preprocess import normalise
        from .latency import warm_up

        runtime, spec = self._opened()
        self.feeds = {runtime.inputs[0].name: normalise(_images(payload, shape), spec)}
        start = perf_counter_ns()
        answers = runtime.run(self.feeds)
        first = perf_counter_ns() - start
        _check_numbers(answers[runtime.outputs[0].name], self.path)
        return {"nanoseconds": warm_up(runtime, self.feeds, seconds), "first": first}, b""

    def time(self, payload: bytes, *, runs: int) -> Reply:
        from .latency import time_round

        del payload
        timed = time_round(self._opened()[0], self.feeds, runs)
        header = {"rows": len(timed.times), "wall": timed.wall, "used": asdict(timed.used)}
        return header, timed.times.tobytes()

    def memory(self, payload: bytes) -> Reply:
        del payload
        return {"bytes": peak_memory_bytes()}, b""

    def notes(self, payload: bytes) -> Reply:
        from ..base import Noted

        del payload
        runtime = self._opened()[0]
        return {"notes": list(runtime.notes()) if isinstance(runtime, Noted) else []}, b""

    def predict(
        self, payload: bytes, *, shape: list[int], classes: int, labelled: bool, first: int
    ) -> Reply:
        """Answers for images, which their int64 labels follow where ``labelled``."""
        import numpy as np

        from ..accuracy.answers import predict

        runtime, spec = self._opened()
        size = prod(shape)
        images = np.frombuffer(payload, np.uint8, size).reshape(shape)
        labels = np.frombuffer(payload, np.int64, offset=size).copy() if labelled else None
        answers = predict(runtime, images, spec, classes, self.path, labels, first=first)
        top = answers.in_top5
        found = answers.classes.tobytes() + (b"" if top is None else top.tobytes())
        return {"images": len(answers)}, found

    def close(self) -> None:
        if self.runtime is not None:
            self.runtime.__exit__(None, None, None)

    def _opened(self) -> tuple[Runtime, InputSpec]:
        if self.runtime is None or self.spec is None:
            raise RuntimeError("no file is open")
        return self.runtime, self.spec


def _check_numbers(scores: np.ndarray[Any, Any], path: Path) -> None:
    """Raise InputError for NaN: such a file is broken, and its time says nothing.

    From an engine infinity is, too: it is what fp16 makes of values over 65504.
    """
    import numpy as np

    from ..accuracy.odd_scores import refuse_odd

    engine = path.suffix.lower() == ".engine"
    if not scores.ndim or not np.issubdtype(scores.dtype, np.floating):
        return
    odd = ~np.isfinite(scores) if engine else np.isnan(scores)
    if odd.any():
        rows = odd.reshape(len(scores), -1).any(axis=1)
        what = "NaN or infinite values" if engine else "NaN"
        refuse_odd(path, what, np.flatnonzero(rows).tolist(), len(rows))


def _images(payload: bytes, shape: list[int]) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.frombuffer(payload, np.uint8).reshape(shape)
