"""How fast an int8 candidate runs beside the float file, measured as the bench measures it."""

from __future__ import annotations

import random
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...runtimes.bench.figures import UNDISTURBED
from ...runtimes.bench.speedup import ratio_interval
from ...runtimes.workers.latency import runs_per_round
from ...runtimes.workers.pinning import choose_cpus
from ...runtimes.workers.worker_process import WorkerProcess

if TYPE_CHECKING:
    import numpy as np

    from ...model_card import InputSpec

__all__ = ["Pace", "measure_pace"]

SLACK = 0.98
"""int8 this much of the float file's speed and not shown to be slower counts as no slower."""

_LAUNCHES = 6
_LEAST_LAUNCHES = 3
_CLEAR = 1.05
"""An interval that ends this far from 1 after a few launches needs no more of them; nearer to 1, a
second look would be a second chance to be wrong."""

_ROUNDS = 5
_ROUND_SECONDS = 0.06
_WARM_UP_SECONDS = 0.5


@dataclass(frozen=True)
class Pace:
    """Speed of int8 over float, batch 1 or the model's own, with a 95% interval."""

    ratio: float
    low: float
    high: float
    float_ms: float
    int8_ms: float
    rounds: int
    launches: int = 0
    """How often both were started anew."""

    @property
    def slower(self) -> bool:
        """Whether int8 is slower than float: shown, or by over 2 % as far as can be told."""
        return self.high < 1 or self.ratio < SLACK

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {**vars(self), "slower": self.slower}

    def __str__(self) -> str:
        return f"{self.ratio:.2f} times float's speed ({self.low:.2f} to {self.high:.2f})"


def measure_pace(
    float_file: Path,
    int8_file: Path,
    spec: InputSpec,
    images: np.ndarray[Any, Any],
    *,
    threads: int,
    seed: int,
) -> Pace:
    """Time both files in processes of their own, in turn, and that several times over.

    ``images`` are uint8 [B, H, W, C]. Both are started anew 6 times, in changing order, for two
    processes of one file differ by some per cent (`nnc.runtimes.bench.launches`); 3 times will do
    where the interval (`ratio_interval`) is far from 1 by then.
    """
    import numpy as np

    order = random.Random(seed)  # noqa: S311
    cpus = choose_cpus([threads])[threads]
    files = (float_file, int8_file)
    ratios: list[list[float]] = []
    every: tuple[list[np.ndarray[Any, Any]], ...] = ([], [])
    first = 0
    for launch in range(1, _LAUNCHES + 1):
        first = order.randrange(2) if launch % 2 else 1 - first
        times = _launched(files, first, spec, images, threads, cpus, order)
        for kept, own in zip(every, times, strict=True):
            kept.extend(own)
        ratios.append(
            [
                float(np.percentile(one, UNDISTURBED) / np.percentile(other, UNDISTURBED))
                for one, other in zip(*times, strict=True)
            ]
        )
        if _LEAST_LAUNCHES <= launch < _LAUNCHES:
            _, low, high = ratio_interval(ratios, seed)
            if low > _CLEAR or high < 1 / _CLEAR:
                break
    ratio, low, high = ratio_interval(ratios, seed)
    float_ms, int8_ms = (float(np.median(np.concatenate(kept))) / 1e6 for kept in every)
    return Pace(ratio, low, high, float_ms, int8_ms, len(ratios) * _ROUNDS, len(ratios))


def _launched(
    files: tuple[Path, Path],
    first: int,
    spec: InputSpec,
    images: np.ndarray[Any, Any],
    threads: int,
    cpus: tuple[int, ...] | None,
    order: random.Random,
) -> tuple[list[np.ndarray[Any, Any]], ...]:
    """The times of each file's rounds, int64 nanoseconds [runs], in two fresh processes."""
    times: tuple[list[np.ndarray[Any, Any]], ...] = ([], [])
    workers: dict[int, WorkerProcess] = {}
    runs = {}
    with ExitStack() as stack:
        for index in (first, 1 - first):
            worker = WorkerProcess(files[index], device="cpu", threads=threads, cpus=cpus)
            workers[index] = stack.enter_context(worker)
            workers[index].open(spec)
        for index in (first, 1 - first):
            cost = workers[index].prepare(images, _WARM_UP_SECONDS).nanoseconds
            runs[index] = runs_per_round(cost, _ROUND_SECONDS)
        for _ in range(_ROUNDS):
            for index in order.sample((0, 1), 2):
                times[index].append(workers[index].time(runs[index]))
    return times
