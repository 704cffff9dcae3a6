"""What timed rounds come to: the interval of the median, where launches differ as real ones do."""

from __future__ import annotations

import numpy as np
import pytest

from nnc.runtimes.bench.figures import latencies
from nnc.runtimes.bench.settings import BenchSettings
from nnc.runtimes.bench.subject import Subject
from nnc.runtimes.workers.latency import TimedRound
from nnc.runtimes.workers.process_usage import Usage

LAUNCHES, ROUNDS, RUNS = 6, 10, 30


def _latency(milliseconds):
    """The figures of runs [launches, rounds, runs]."""
    rounds = [
        [TimedRound((1e6 * one[None]).astype(np.int64), 1, Usage(1, None)) for one in launch]
        for launch in milliseconds
    ]
    subject = Subject(artifact=None, device="cpu", rounds={(1, 1): rounds})
    settings = BenchSettings(launches=len(milliseconds), rounds=milliseconds[0].shape[0] * 6)
    ((found,),) = latencies([subject], settings)
    return found


def test_the_interval_of_the_median_holds_the_truth_where_launches_differ():
    """An interval by single inferences, of which there are 1,800, misses it most of the time."""
    source = np.random.default_rng(0)
    inside = inside_by_runs = 0
    for _ in range(100):
        levels = np.exp(source.normal(0, 0.03, (LAUNCHES, 1, 1)))
        times = 2.0 * levels * np.exp(source.normal(0, 0.02, (LAUNCHES, ROUNDS, RUNS)))
        found = _latency(times)
        inside += found.low <= 2.0 <= found.high
        assert found.low <= found.median <= found.high
        ordered = np.sort(times.reshape(-1))
        inside_by_runs += ordered[900 - 42] <= 2.0 <= ordered[900 + 42]
    assert inside >= 93
    assert inside_by_runs < 60


def test_times_that_never_change_have_no_width():
    found = _latency(np.full((LAUNCHES, ROUNDS, RUNS), 2.0)).to_json()
    assert [found[key] for key in ("low", "median", "high")] == pytest.approx([2.0] * 3, rel=1e-12)
