"""Which cores timed processes are bound to."""

from __future__ import annotations

import pytest

from nnc.runtimes.workers import pinning
from nnc.runtimes.workers.pinning import choose_cpus


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Four physical cores of two logical CPUs each: 0 and 4, 1 and 5, 2 and 6, 3 and 7."""
    for cpu in range(8):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu % 4},{cpu % 4 + 4}\n")
    monkeypatch.setattr(pinning, "_TOPOLOGY", tmp_path)

    def allow(*cpus: int) -> None:
        monkeypatch.setattr(pinning, "allowed_cpus", lambda: frozenset(cpus))

    allow(*range(8))
    return allow


def test_each_thread_has_a_physical_core_and_cpu_0_comes_last(machine):
    assert choose_cpus([1, 2, 4, 5]) == {1: (1,), 2: (1, 2), 4: (1, 2, 3, 4), 5: None}


def test_only_what_is_allowed_is_taken(machine):
    machine(0, 4, 6)
    assert choose_cpus([1, 2, 3]) == {1: (4,), 2: (4, 6), 3: None}


def test_busy_cores_are_left_to_others(machine):
    busy = {0: 0.0, 1: 0.93, 2: 0.31, 3: 0.04, 4: 0.0, 5: 1.0, 6: 0.3, 7: 0.0}
    assert choose_cpus([1, 2, 3, 4], busy) == {1: (3,), 2: (3, 4), 3: (2, 3, 4), 4: (1, 2, 3, 4)}


def test_where_nothing_is_known_nothing_is_bound(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(pinning, "_TOPOLOGY", tmp_path / "none")
    assert choose_cpus([2]) == {2: (1, 2)}
    machine()
    assert choose_cpus([1]) == {1: None}
