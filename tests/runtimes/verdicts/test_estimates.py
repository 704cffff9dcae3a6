"""Intervals of differences and ratios: against published numbers, and how often they are right."""

from __future__ import annotations

import numpy as np
import pytest

from nnc.runtimes.statistics import wilson
from nnc.runtimes.verdicts.estimates import Estimate, difference, ratio


def test_newcombes_own_examples():
    """Newcombe 1998, table II, method 10: 56/70 less 48/80, and 9/10 less 3/10."""
    for first, second, low, high in (
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ):
        new, old = (Estimate(k / n, *wilson(k, n)) for k, n in (first, second))
        found = difference(new, old)
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_a_ratio_covers_the_true_one():
    """Of medians of lognormal times, 400 times: right in 95 of 100, by the normal theory."""
    random = np.random.default_rng(0)
    width = 1.96 * 0.1
    inside = 0
    for _ in range(400):
        new, old = (
            Estimate(m, m * np.exp(-width), m * np.exp(width))
            for m in np.exp(random.normal([0.7, 0.2], 0.1))
        )
        found = ratio(new, old)
        inside += found.low <= np.exp(0.5) <= found.high
    assert 0.92 <= inside / 400 <= 0.98
    assert ratio(Estimate(1, 0, 2), Estimate.exact(1)) is None


def test_another_unit():
    assert Estimate(0.01, -0.02, 0.03).scaled(-100) == Estimate(-1, -3, 2)
