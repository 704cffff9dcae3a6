"""The bench's settings: what they take, what they make of it."""

from __future__ import annotations

import pytest

from nnc.errors import InputError
from nnc.runtimes.bench import BenchSettings


@pytest.mark.parametrize(
    "settings",
    [
        {"device": "tpu"},
        {"threads": 0},
        {"threads": (1, 0)},
        {"threads": (2, 2)},
        {"threads": ()},
        {"threads": "2"},
        {"batch_sizes": 0},
        {"batch_sizes": (1, 65_537)},
        {"batch_sizes": (8, 8)},
        {"batch_sizes": (True,)},
        {"batch_sizes": tuple(range(1, 66))},
        {"rounds": 5},
        {"launches": 1},
        {"launches": 1001},
        {"launches": 7, "rounds": 6},
        {"seconds": 0},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": 10**400},
        {"seconds": True},
        {"images": 0},
        {"seed": -1},
    ],
    ids=str,
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(InputError, match="expected"):
        BenchSettings(**settings)


def test_a_single_number_will_do_and_pairs_come_in_order():
    settings = BenchSettings(threads=2, batch_sizes=8)
    assert (settings.threads, settings.batch_sizes) == ((2,), (8,))
    several = BenchSettings(threads=(2, 1), batch_sizes=[1, 8])
    assert several.pairs == ((2, 1), (2, 8), (1, 1), (1, 8))


@pytest.mark.parametrize(
    ("seconds", "rounds", "launches", "each"),
    [(0.03, None, 2, 10), (1.0, None, 3, 10), (1.5, None, 4, 10), (3.0, None, 6, 10),
     (10.0, None, 10, 10),
     (30.0, None, 20, 10), (3600.0, None, 20, 10), (0.03, 6, 2, 3), (3.0, 40, 6, 7),
     (600.0, 6, 6, 1)],
)  # fmt: skip
def test_longer_runs_are_launched_more_often(seconds, rounds, launches, each):
    settings = BenchSettings(seconds=seconds, rounds=rounds)
    assert settings.launch_count == launches
    assert settings.rounds_per_launch == each
    assert launches * each >= (rounds or 0)


def test_launches_can_be_said():
    assert BenchSettings(launches=4).launch_count == 4
