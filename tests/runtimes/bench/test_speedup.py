"""The interval of the speed-up, on synthetic launches that differ as real ones do."""

from __future__ import annotations

import numpy as np
import pytest

from nnc.runtimes.bench.speedup import baseline, ratio_interval, speedup, verdict_of


def simulated(
    source: np.random.Generator,
    launches: int,
    rounds: int = 10,
    *,
    truth: float = 1.0,
    persistent: float = 0.03,
    passing: float = 0.02,
) -> list[list[float]]:
    """Ratios [launch][round]: processes differ persistently, rounds by passing noise."""
    between = source.normal(0, persistent, (launches, 1))
    within = source.normal(0, passing, (launches, rounds))
    # Now and then another program has the core for most of a round.
    spells = np.where(source.random((launches, rounds)) < 0.05, source.normal(0, 0.5), 0.0)
    values: list[list[float]] = (truth * np.exp(between + within + spells)).tolist()
    return values


@pytest.mark.parametrize(("launches", "truth"), [(2, 1.0), (3, 0.9), (6, 1.0)])
def test_the_interval_misses_the_truth_in_five_of_a_hundred_at_most(launches, truth):
    source = np.random.default_rng(0)
    misses = 0
    for seed in range(150):
        _, low, high = ratio_interval(simulated(source, launches, truth=truth), seed)
        misses += not low <= truth <= high
    assert misses / 150 <= 0.05


def test_launches_that_differ_much_and_rounds_that_hardly_do_raise_no_alarm():
    """Where rounds are taken for independent, nearly every run of these is an alarm."""
    source = np.random.default_rng(0)
    alarms = 0
    for seed in range(150):
        ratios = simulated(source, 6, persistent=0.03, passing=0.001)
        _, low, high = ratio_interval(ratios, seed)
        alarms += not low <= 1 <= high
    # The interval is exact here: 5 of 100, and three standard errors of 150 trials.
    assert alarms / 150 <= 0.05 + 3 * (0.05 * 0.95 / 150) ** 0.5


def test_a_tenth_is_found():
    source = np.random.default_rng(0)
    found = 0
    for seed in range(100):
        ratios = simulated(source, 8, truth=1 / 1.1)
        found += (
            speedup([[1.0] * 10] * 8, (1 / np.array(ratios)).tolist(), seed).verdict == "slower"
        )
    assert found >= 95


def test_the_ratio_is_that_of_the_rounds_so_that_a_slow_spell_cancels():
    spell = [[1, 1, 10, 10], [1, 3, 3, 1]]
    base = [[8e6 * slow for slow in launch] for launch in spell]
    own = [[2e6 * slow for slow in launch] for launch in spell]
    found = speedup(base, own)
    assert (found.ratio, found.low, found.high) == pytest.approx((4, 4, 4))
    assert found.verdict == "faster"
    assert found.rounds == (4,) * 8
    assert speedup(own, base).verdict == "slower"


def test_one_round_out_of_five_cannot_move_the_result():
    steady = [[1.0, 1.0, 1.0, 1.0, 1.0]] * 6
    once = [[1.0, 1.0, 100.0, 1.0, 1.0], *steady[1:]]
    assert ratio_interval(once)[0] == 1


def test_the_same_seed_gives_the_same_interval():
    ratios = simulated(np.random.default_rng(0), 6)
    assert ratio_interval(ratios, 3) == ratio_interval(ratios, 3)
    assert ratio_interval(ratios, 3) != ratio_interval(ratios, 4)


def test_one_launch_has_no_interval():
    with pytest.raises(ValueError, match="1 launches; an interval takes two or more"):
        ratio_interval([[1.0, 1.1, 0.9]])


def test_many_rounds_fit_into_memory():
    ratios = np.random.default_rng(0).lognormal(0, 0.01, (4, 2000)).tolist()
    ratio, low, high = ratio_interval(ratios)
    assert low < ratio < high


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.01, 1.5, "faster"),
        (0.5, 0.99, "slower"),
        (0.95, 1.05, "no difference shown"),
        (1.0, 1.2, "no difference shown"),
        (0.9, 1.12, "too noisy"),
        (0.2, 5.0, "too noisy"),
    ],
)
def test_verdicts(low, high, verdict):
    assert verdict_of(low, high) == verdict


def test_the_baseline_is_one():
    assert baseline(2).to_json() == {
        "ratio": 1.0, "low": 1.0, "high": 1.0, "verdict": "baseline", "rounds": [1.0, 1.0],
    }  # fmt: skip
