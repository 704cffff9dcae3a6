"""Paired differences against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from nnc.toolchain.experiments.paired import Difference, Spread


def test_spread() -> None:
    assert Spread.of([0.1, 0.2, 0.3]) == Spread(pytest.approx(0.2), pytest.approx(0.1))
    assert Spread.of([0.5]) == Spread(0.5, None)


def test_interval_is_students() -> None:
    # Differences 1, 2, 3: mean 2, deviation 1, t(2 degrees, 97.5 %) = 4.303.
    found = Difference.of([2, 4, 6], [1, 2, 3])
    half = 4.303 / math.sqrt(3)
    assert found.mean == 2
    assert found.interval == pytest.approx((2 - half, 2 + half))
    assert (found.pairs, found.sign) == (3, 0)


def test_signs() -> None:
    assert Difference.of([1.0, 1.1, 0.9], [0, 0, 0]).sign == 1
    assert Difference.of([0, 0, 0], [1.0, 1.1, 0.9]).sign == -1
    assert Difference.of([1.0, 1.0], [1.0, 1.0]).sign == 0


def test_a_single_pair_shows_nothing() -> None:
    found = Difference.of([5.0], [1.0])
    assert (found.mean, found.interval, found.sign) == (4.0, None, 0)


def test_beyond_the_table_the_interval_stays_wide_enough() -> None:
    found = Difference.of([0.0, 1.0] * 50, [0.0] * 100)
    assert found.interval is not None
    assert found.interval[1] - found.mean >= 1.96 * 0.5 / math.sqrt(100)


def test_unequal_lists() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        Difference.of([1.0, 2.0], [1.0])
