"""Noise: what the counters of the system say of a stretch of timing."""

from __future__ import annotations

import numpy as np
import pytest

from nnc.runtimes.bench import noise
from nnc.runtimes.bench.noise import Noise, NoiseMeter
from nnc.runtimes.workers.latency import TimedRound
from nnc.runtimes.workers.process_usage import Usage
from nnc.runtimes.workers.system_load import CpuTicks, Snapshot


def round_of(waited: int | None, wall: int = 1000) -> TimedRound:
    return TimedRound(np.ones((1, 1), np.int64), wall, Usage(wall, waited))


@pytest.fixture
def watched(monkeypatch):
    """Watches one stretch of 10 s on 4 CPUs: ticks by CPU (busy, stolen), ticks of our own."""

    def watch(after: dict[int, tuple[int, int]], own: int | None, meter: NoiseMeter) -> None:
        looks = [
            Snapshot({cpu: CpuTicks(0, 0, 0) for cpu in after}, 0.0),
            Snapshot(
                {cpu: CpuTicks(busy, stolen, 1000) for cpu, (busy, stolen) in after.items()}, 10.0
            ),
        ]
        used = [0, own]
        monkeypatch.setattr(noise, "snapshot", lambda: looks.pop(0))
        monkeypatch.setattr(noise, "process_ticks", lambda _pids: used.pop(0))
        with meter.watching([1]):
            pass

    monkeypatch.setattr(noise, "allowed_cpus", lambda: frozenset(range(4)))
    monkeypatch.setattr(noise.os, "sysconf", lambda _name: 100)
    return watch


def test_a_quiet_machine(watched):
    meter = NoiseMeter((1,), 1)
    watched({0: (5, 0), 1: (990, 0), 2: (5, 0), 3: (0, 0)}, 990, meter)
    meter.add_round(round_of(1), 1)
    found = meter.result()
    assert found.to_json() == {
        "verdict": "quiet", "reasons": [], "steal": 0.0, "waiting": 0.001, "load": 0.01,
    }  # fmt: skip


def test_steal_waiting_and_load_are_told_apart(watched):
    meter = NoiseMeter((1,), 1)
    # 1 CPU of ours loses 80 of 1000 ticks; the steal of others is theirs to mind.
    watched({0: (1000, 500), 1: (920, 80), 2: (980, 0), 3: (0, 0)}, 900, meter)
    meter.add_round(round_of(300), 1)
    meter.add_round(round_of(100), 1)
    found = meter.result(["b.onnx: too wide"])
    assert found.verdict == "noisy"
    assert (found.steal, found.waiting, found.load) == pytest.approx((0.08, 0.2, 2.0))
    assert found.reasons == (
        "the hypervisor took 8% of the time from this machine",
        "the timed processes waited for a core 20% of the time",
        "other programs kept 2.0 of 4 cores busy",
        "b.onnx: too wide",
    )


def test_other_programs_on_free_cores_are_no_noise(watched):
    meter = NoiseMeter((1,), 1)
    watched({0: (1000, 0), 1: (1000, 0), 2: (0, 0), 3: (0, 0)}, 1000, meter)
    assert meter.result().load == 1.0
    assert meter.result().verdict == "quiet"
    crowded = NoiseMeter((1, 2, 3), 3)
    watched({0: (1000, 0), 1: (1000, 0), 2: (0, 0), 3: (0, 0)}, 1000, crowded)
    assert crowded.result().verdict == "noisy"


def test_threads_wait_together():
    meter = NoiseMeter((0, 1), 2)
    meter.add_round(round_of(1000, wall=1000), 2)
    assert meter.result().waiting == 0.5


def test_a_process_that_died_leaves_the_load_unknown_and_the_steal_known(watched):
    meter = NoiseMeter((1,), 1)
    watched({1: (900, 100)}, None, meter)
    found = meter.result()
    assert (found.load, found.steal) == (None, 0.1)


def test_where_the_system_tells_nothing_nothing_is_claimed(watched):
    meter = NoiseMeter(None, 1)
    watched({}, None, meter)
    meter.add_round(round_of(None), 1)
    assert meter.result() == Noise(None, None, None, ())
    assert meter.result().verdict == "unknown"
    assert meter.result(["b.onnx: too wide"]).verdict == "noisy"
