"""Intervals against published and simulated figures; latency summaries on made-up samples."""

from __future__ import annotations

import numpy as np
import pytest

from nnc.runtimes.latency import runs_per_round, summarise
from nnc.runtimes.statistics import median_interval, wilson


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, score method
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_equals_the_published_intervals(correct, total, low, high):
    assert wilson(correct, total) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("total", [1, 3, 10_000])
def test_wilson_holds_its_share_at_both_ends(total):
    assert wilson(0, total)[0] == 0
    assert wilson(total, total)[1] == 1
    with pytest.raises(ValueError, match="of"):
        wilson(total + 1, total)


def test_the_bootstrap_is_seeded_and_holds_the_median():
    values = list(np.random.default_rng(0).normal(3, 1, 25))
    median, low, high = median_interval(values, seed=1)
    assert low < median < high
    assert median == float(np.median(values))
    assert median_interval(values, seed=1) == (median, low, high)


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says():
    source = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        _, low, high = median_interval(list(source.normal(size=15)), resamples=400, seed=seed)
        hits += low <= 0 <= high
    assert 0.88 <= hits / 200 <= 0.995


def test_speedup_pairs_rounds_so_that_a_slow_spell_cancels():
    spell = [1, 1, 10, 10, 1, 3, 3, 1]
    base = [np.full(5, 8_000_000 * slow) for slow in spell]
    other = [np.full(5, 2_000_000 * slow) for slow in spell]
    (latency, one), (_, four) = summarise([base, other], seed=0)
    assert (one.ratio, one.low, one.high) == (1, 1, 1)
    assert (four.ratio, four.low, four.high) == (4, 4, 4)
    assert latency.runs == 40
    assert latency.p5 == 8
    assert latency.median == 16


def test_a_file_against_its_equal_shows_no_difference():
    source = np.random.default_rng(0)
    rounds = [[source.integers(900, 1100, 50) for _ in range(15)] for _ in range(2)]
    speedup = summarise(rounds, seed=0)[1][1]
    assert speedup.low <= 1 <= speedup.high


def test_a_round_has_at_least_one_run():
    assert runs_per_round(5e9, 0.2) == 1
    assert runs_per_round(1e6, 0.2) == 200
