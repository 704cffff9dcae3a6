"""Warming up: until the latency is stable, and never for longer than asked."""

from __future__ import annotations

import pytest

from nnc.runtimes.workers import latency
from nnc.runtimes.workers.latency import warm_up

SECOND = 1_000_000_000


@pytest.fixture
def runs(monkeypatch):
    """A runtime by a clock of its own; the seconds that its runs take, one after the other."""

    def make(*seconds):
        clock, left = [0], list(seconds)

        class Slow:
            def run(self, _feeds):
                clock[0] += int(SECOND * (left.pop(0) if len(left) > 1 else left[0]))
                done.append(clock[0])

        done: list[int] = []
        monkeypatch.setattr(latency, "perf_counter_ns", lambda: clock[0])
        return Slow(), done

    return make


@pytest.mark.parametrize(
    ("seconds", "count", "each"), [((10,), 1, 10.0), ((0.6,), 2, 0.6), ((0.3, 0.4), 3, 0.4)]
)
def test_nothing_begins_when_the_time_is_up(runs, seconds, count, each):
    """However slow a run is: with 64 threads on 2 cores three of them took minutes."""
    runtime, done = runs(*seconds)
    assert warm_up(runtime, {}, 1.0) == pytest.approx(each * SECOND)
    assert len(done) == count


def test_it_ends_when_two_windows_agree(runs):
    runtime, done = runs(0.9, *[0.05] * 3, *[0.02] * 3, 0.02)
    assert warm_up(runtime, {}, 60.0) == 0.02 * SECOND
    assert len(done) == 1 + 3 + 3 + 3


def test_rare_slow_runs_count_for_how_many_fill_a_round(runs):
    """The median alone would promise rounds that take a hundred times as long as asked."""
    runtime, _ = runs(0.001, *([0.001] * 20 + [0.4]) * 2)
    assert warm_up(runtime, {}, 60.0) == pytest.approx(0.42 / 21 * SECOND)
