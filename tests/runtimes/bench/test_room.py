"""What does not fit the machine: refused or warned of before it is measured."""

from __future__ import annotations

import logging

import pytest

from nnc.errors import InputError
from nnc.model_card import InputSpec
from nnc.runtimes.bench import BenchSettings, room

SPEC = InputSpec(3, 100, 100, (0.0,) * 3, (1.0,) * 3)


def test_images_that_do_not_fit_into_memory_are_refused(monkeypatch):
    settings = BenchSettings(batch_sizes=(1, 10_000))
    monkeypatch.setattr(room, "available_memory", lambda: 3_599_999_999)
    with pytest.raises(InputError) as raised:
        room.check_room(settings, SPEC, 2)
    assert str(raised.value) == (
        "--batch-size 10000 takes 3.6 GB for its images alone, in 2 processes; this machine has "
        "3.6 GB free; choose a smaller one"
    )
    room.check_room(settings, SPEC, 1)
    monkeypatch.setattr(room, "available_memory", lambda: None)
    room.check_room(settings, SPEC, 2)


@pytest.mark.parametrize(
    ("cores", "device", "lines"),
    [
        (2, "cpu", ["64 threads on 2 cores: they wait for each other, and their times say little"]),
        (1, "cpu", ["64 threads on 1 core: they wait for each other, and their times say little"]),
        (64, "cpu", []),
        (0, "cpu", []),
        (2, "cuda", []),
    ],
)
def test_more_threads_than_cores_are_one_line(monkeypatch, caplog, cores, device, lines):
    monkeypatch.setattr(room, "allowed_cpus", lambda: frozenset(range(cores)))
    with caplog.at_level(logging.WARNING):
        room.warn_of_crowding(BenchSettings(device=device, threads=(1, 64)))
    assert caplog.messages == lines
