"""Intervals against published and simulated figures; latency summaries on made-up samples."""

from __future__ import annotations

import numpy as np
import pytest

from nnc.runtimes.statistics import LEAST_VALUES, median_interval, student95, wilson
from nnc.runtimes.workers.latency import runs_per_round


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


@pytest.mark.parametrize(
    ("count", "rank"),
    # One above the tabled critical values of the two-sided sign test at 5%.
    [(6, 1), (8, 1), (9, 2), (12, 3), (15, 4), (20, 6), (25, 8), (50, 18), (100, 40)],
)
def test_the_interval_of_a_median_takes_the_published_ranks(count, rank):
    values = list(np.random.default_rng(0).permutation(np.arange(1.0, count + 1)))
    assert median_interval(values) == ((count + 1) / 2, rank, count + 1 - rank)


@pytest.mark.parametrize("count", [6, 7, 15, 40])
def test_the_interval_covers_the_true_median_as_often_as_it_says(count):
    source = np.random.default_rng(0)
    samples = source.lognormal(size=(4000, count))
    hits = sum(low <= 1 <= high for _, low, high in map(median_interval, samples))
    # 0.95 less three standard errors of 4000 trials.
    assert hits / 4000 >= 0.94


def test_too_few_values_have_no_interval():
    with pytest.raises(ValueError, match="5 values"):
        median_interval([1.0] * (LEAST_VALUES - 1))


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    # Fisher's table, as printed since 1925.
    [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (6, 2.447), (10, 2.228), (29, 2.045),
     (120, 1.980)],
)  # fmt: skip
def test_students_t_equals_the_table(freedom, quantile):
    assert student95(freedom) == pytest.approx(quantile, abs=5e-4)


def test_a_round_has_at_least_one_run():
    assert runs_per_round(5e9, 0.2) == 1
    assert runs_per_round(1e6, 0.2) == 200
