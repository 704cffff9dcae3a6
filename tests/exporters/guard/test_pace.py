"""Two files are timed by fresh processes, several times over."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from nnc.exporters.guard import pace
from nnc.model_card import InputSpec
from nnc.runtimes.workers.worker_process import Prepared

SPEC = InputSpec(channels=1, height=8, width=8, mean=(0.5,), std=(0.5,))
IMAGES = np.zeros((1, 8, 8, 1), np.uint8)


@pytest.fixture
def timed(monkeypatch):
    """Workers whose inferences take what ``times`` says of the file and the launch."""
    started: list[str] = []

    class Worker:
        def __init__(self, path: Path, **_options: object) -> None:
            self.name = path.stem
            self.launch = started.count(self.name)
            started.append(self.name)

        def open(self, _spec: InputSpec) -> None:
            pass

        def prepare(self, _images: np.ndarray, _seconds: float) -> Prepared:
            return Prepared(6_000_000, 6_000_000)

        def time(self, runs: int) -> np.ndarray:
            return np.full(runs, Worker.times(self.name, self.launch), np.int64)

    @contextmanager
    def process(path: Path, **options: object):
        yield Worker(path, **options)

    monkeypatch.setattr(pace, "WorkerProcess", process)

    def measure(times):
        started.clear()
        Worker.times = staticmethod(times)
        found = pace.measure_pace(
            Path("float.onnx"), Path("int8.onnx"), SPEC, IMAGES, threads=1, seed=0
        )
        return found, started

    return measure


def test_what_is_far_faster_takes_three_launches(timed) -> None:
    found, started = timed(lambda name, launch: 4e6 if name == "float" else 2e6)
    assert (found.ratio, found.low, found.high) == pytest.approx((2, 2, 2))
    assert (found.float_ms, found.int8_ms, found.launches) == (4, 2, 3)
    assert not found.slower
    assert sorted(started) == ["float"] * 3 + ["int8"] * 3


def test_processes_that_differ_by_chance_show_no_difference(timed) -> None:
    """Within a launch nothing varies: taken by rounds alone, each launch would be certain."""
    luck = (1.04, 0.97, 1.01, 0.98, 1.03, 0.98)
    found, _ = timed(lambda name, launch: 4e6 * (luck[launch] if name == "int8" else 1))
    assert found.low < 1 < found.high
    assert found.launches == 6
    assert not found.slower


def test_each_file_starts_first_in_half_of_the_launches(timed) -> None:
    _, started = timed(lambda name, launch: 4e6)
    first = started[::2]
    assert first.count("float") == first.count("int8") == 3


def test_slower_throughout_is_slower(timed) -> None:
    found, _ = timed(lambda name, launch: 4e6 if name == "float" else 5e6 + launch * 1e4)
    assert found.high < 1
    assert found.slower
