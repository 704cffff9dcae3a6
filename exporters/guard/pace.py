"""How fast an int8 candidate runs beside the float file, measured in turn."""

from __future__ import annotations

import random
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...runtimes.workers.latency import runs_per_round, summarise
from ...runtimes.workers.worker_process import WorkerProcess

if TYPE_CHECKING:
    import numpy as np

    from ...model_card import InputSpec

__all__ = ["Pace", "measure_pace"]

SLACK = 0.98
"""int8 this much of the float file's speed and not shown to be slower counts as no slower."""

_ROUND_SECONDS = 0.08
_LEAST_ROUNDS = 9
_MOST_ROUNDS = 45
_WARM_UP_SECONDS = 1.0


@dataclass(frozen=True)
class Pace:
    """Speed of int8 over float, batch 1 or the model's own, with a 95% interval."""

    ratio: float
    low: float
    high: float
    float_ms: float
    int8_ms: float
    rounds: int

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
    """Time both files in processes of their own, in turn, until it is clear which is faster.

    ``images`` are uint8 [B, H, W, C]. Between 9 and 45 rounds, in a shuffled order; it stops early
    where the interval of the ratio leaves 1 out, or all rounds are done.
    """
    order = random.Random(seed)  # noqa: S311
    times: list[list[np.ndarray[Any, Any]]] = [[], []]
    with ExitStack() as stack:
        workers, runs = [], []
        for path in (float_file, int8_file):
            worker = stack.enter_context(WorkerProcess(path, device="cpu", threads=threads))
            worker.open(spec)
            cost = worker.prepare(images, _WARM_UP_SECONDS).nanoseconds
            runs.append(runs_per_round(cost, _ROUND_SECONDS))
            workers.append(worker)
        for done in range(1, _MOST_ROUNDS + 1):
            for index in order.sample((0, 1), 2):
                times[index].append(workers[index].time(runs[index]))
            if done >= _LEAST_ROUNDS and done % 3 == 0:
                (float_latency, _), (int8_latency, speedup) = summarise(times)
                if speedup.low > 1 or speedup.high < SLACK:
                    break
        else:
            (float_latency, _), (int8_latency, speedup) = summarise(times)
    return Pace(
        speedup.ratio,
        speedup.low,
        speedup.high,
        float_latency.median,
        int8_latency.median,
        len(times[0]),
    )
