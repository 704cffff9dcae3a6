"""The counters of /proc: what is read from them, and what where they are missing."""

from __future__ import annotations

import os
import time

import pytest

from nnc.runtimes.workers import process_usage, system_load
from nnc.runtimes.workers.process_usage import Usage, usage_between, usage_now
from nnc.runtimes.workers.system_load import (
    CpuTicks,
    Snapshot,
    available_memory,
    busy_shares,
    process_ticks,
    snapshot,
)


def test_the_counters_of_the_cpus_that_may_be_used(tmp_path, monkeypatch):
    stat = tmp_path / "stat"
    stat.write_text(
        "cpu  9 9 9 9 9 9 9 9 9 9\n"
        "cpu0 100 10 50 800 20 3 7 10 99 9\n"
        "cpu1 1 1 1 1 1 1 1 1 1 1\n"
        "cpu2 broken\n"
        "intr 12345\n"
    )
    monkeypatch.setattr(system_load, "_STAT", stat)
    monkeypatch.setattr(system_load, "allowed_cpus", lambda: frozenset({0, 2}))
    assert snapshot().cpus == {0: CpuTicks(busy=170, stolen=10, whole=1000)}
    monkeypatch.setattr(system_load, "_STAT", tmp_path / "none")
    assert snapshot().cpus == {}


def test_shares_count_what_was_stolen_and_no_short_stretches():
    before = Snapshot({0: CpuTicks(100, 0, 200), 1: CpuTicks(0, 0, 0)}, 0.0)
    after = Snapshot({0: CpuTicks(150, 25, 300), 1: CpuTicks(9, 0, 9), 2: CpuTicks(9, 0, 90)}, 1.0)
    assert busy_shares(before, after) == {0: 0.75}


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="reads /proc")  # noqa: PTH110
def test_ticks_of_processes():
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    mine = process_ticks([os.getpid()])
    assert mine is not None
    assert 0 < mine <= 1 + os.sysconf("SC_CLK_TCK") * sum(os.times()[:2])
    assert process_ticks([os.getpid(), 2**22 + 1]) is None


def test_usage_counts_cpu_and_waiting(tmp_path, monkeypatch):
    for task, text in (("1", "500 30 7\n"), ("2", "10 12 1\n")):
        (tmp_path / task).mkdir()
        (tmp_path / task / "schedstat").write_text(text)
    monkeypatch.setattr(process_usage, "_TASKS", tmp_path)
    found = usage_now()
    assert found.waited == 42
    assert found.cpu > 0
    assert usage_between(Usage(0, 40)).waited == 2
    assert usage_between(Usage(0, 50)).waited == 0  # a thread has ended
    assert usage_between(Usage(0, None)).waited is None
    assert usage_between(found).cpu >= 0
    monkeypatch.setattr(process_usage, "_TASKS", tmp_path / "none")
    assert usage_now().waited is None
    assert usage_between(found).waited is None


def test_memory_is_what_is_free_and_what_a_container_may_have(tmp_path, monkeypatch):
    memory, most = tmp_path / "meminfo", tmp_path / "memory.max"
    monkeypatch.setattr(system_load, "_MEMORY", memory)
    monkeypatch.setattr(system_load, "_MOST_MEMORY", most)
    assert available_memory() is None
    memory.write_text("MemTotal: 9000 kB\nMemAvailable:    4000 kB\n")
    most.write_text("max\n")
    assert available_memory() == 4_096_000
    most.write_text("1000\n")
    assert available_memory() == 1000
