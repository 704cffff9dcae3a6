"""The machine's peaks: figures that can be, whatever else runs; and what they are made of."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from nnc.errors import InputError
from nnc.runtimes.roofline import copy_peak, measure_peaks
from nnc.runtimes.roofline.best_time import best_seconds
from nnc.runtimes.roofline.caches import cache_bytes


def test_a_fresh_process_measures_them():
    pytest.importorskip("onnxruntime")
    cpus = {1: sorted(os.sched_getaffinity(0))[:1]} if hasattr(os, "sched_getaffinity") else {}
    (peak,) = measure_peaks([1], cpus=cpus, seconds=0.02)
    # Between the slowest machine that runs this and what no core has.
    assert 1e7 < peak.flops_per_s < 1e13
    assert 1e7 < peak.int8_ops_per_s < 1e14
    assert 1e7 < peak.bytes_per_s < 1e13
    assert (peak.cache_bytes is None) is (peak.cache_bytes_per_s is None)
    found = json.loads(json.dumps(peak.to_json()))
    assert list(found) == [
        *("threads", "flops_per_s", "bytes_per_s", "int8_ops_per_s"),
        *("cache_bytes", "cache_bytes_per_s"),
    ]
    assert found["threads"] == 1


def test_bad_numbers_of_threads_start_nothing():
    assert measure_peaks([]) == ()
    with pytest.raises(InputError, match=r"^0 threads: expected a whole number from 1 to 1024$"):
        measure_peaks([1, 0])


def test_the_best_time_leaves_the_first_out():
    times = iter([0.1, 5.0, 3.0, 4.0])
    assert best_seconds(lambda: next(times), 0.0) == 3.0


@pytest.mark.parametrize("threads", [1, 3])
def test_copies_copy(threads, monkeypatch):
    """All of each part, as often as is counted."""
    copied = []
    original = np.copyto

    def copyto(target, source):
        copied.append(target.nbytes)
        original(target, source)

    monkeypatch.setattr(np, "copyto", copyto)
    monkeypatch.setattr(copy_peak, "best_seconds", lambda timed, seconds: timed() and 2.0)
    speed = copy_peak._speed(threads, 3 * 1600, 2, 0.0)
    assert copied == [8 * (2400 // threads // 8)] * (2 * threads)
    assert speed == 2 * sum(copied) / 2.0


def sysfs(folder: Path, cpus: dict[int, list[tuple[str, int, str, str]]]) -> Path:
    """Caches of CPUs as Linux shows them: (type, level, size, CPUs that share it)."""
    for cpu, caches in cpus.items():
        for index, values in enumerate(caches):
            place = folder / f"cpu{cpu}" / "cache" / f"index{index}"
            place.mkdir(parents=True)
            names = ("type", "level", "size", "shared_cpu_list")
            for name, value in zip(names, values, strict=True):
                (place / name).write_text(f"{value}\n")
    return folder


@pytest.mark.parametrize(("threads", "megabytes"), [(1, 16), (2, 32), (8, 32)])
def test_the_last_caches_of_so_many_threads(tmp_path, monkeypatch, threads, megabytes):
    """Four CPUs, two and two beside a cache of their own."""
    first = [("Data", 1, "32K", ""), ("Instruction", 4, "64M", ""), ("Unified", 2, "512K", "")]
    shared = {cpu: "0-1" if cpu < 2 else "2-3" for cpu in range(4)}
    own = {c: [*first, ("Unified", 3, "16384K", pair)] for c, pair in shared.items()}
    folder = sysfs(tmp_path, own)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    assert cache_bytes(threads, folder) == megabytes << 20
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1}, raising=False)
    assert cache_bytes(threads, folder) == 16 << 20


def test_a_system_that_tells_nothing_of_its_caches(tmp_path):
    assert cache_bytes(1, tmp_path) is None
    assert cache_bytes(1, sysfs(tmp_path, {0: [("Unified", 3, "much", "0")]})) is None
