"""The exact test and the interval of a paired difference, against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnc.runtimes.accuracy.paired import agresti_min, mcnemar

counts = st.integers(0, 4000)


def exact(lost: int, won: int) -> Fraction:
    count, fewer = lost + won, min(lost, won)
    term = tail = 1
    for heads in range(fewer):
        term = term * (count - heads) // (heads + 1)
        tail += term
    return min(Fraction(1), Fraction(2 * tail, 2**count))


@pytest.mark.parametrize(
    ("lost", "won", "p"),
    [
        (0, 0, 1),
        (3, 3, 1),
        (4, 3, 1),
        (5, 0, 0.0625),
        (6, 0, 0.03125),
        (10, 5, 0.30175781),  # R: binom.test(5, 15)
        (8, 1, 0.0390625),
        (1, 0, 1),
    ],
)
def test_known_values(lost, won, p):
    assert mcnemar(lost, won) == pytest.approx(p, rel=1e-7)


@pytest.mark.parametrize(("lost", "won"), [(59, 121), (700, 801), (1900, 2100), (4500, 4300)])
def test_thousands_of_discordant_images(lost, won):
    assert mcnemar(lost, won) == pytest.approx(float(exact(lost, won)), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300))
def test_as_exact_whole_numbers_say(lost, won):
    assert mcnemar(lost, won) == pytest.approx(float(exact(lost, won)), rel=1e-10)


@settings(max_examples=60, deadline=None)
@given(counts, counts)
def test_the_test_is_symmetric_and_sharpens_with_the_difference(lost, won):
    p = mcnemar(lost, won)
    assert 0 <= p <= 1
    assert p == mcnemar(won, lost)
    if lost > won:
        assert mcnemar(lost + 1, won) <= p


def test_a_hopeless_p_is_zero_and_no_error():
    assert mcnemar(100_000, 0) == 0


def test_negative_counts_are_a_bug():
    with pytest.raises(ValueError, match="-1 lost"):
        mcnemar(-1, 4)


def test_agresti_and_min_add_half_to_each_cell():
    """By hand: 12 and 5 of 100; (12.5 - 5.5) / 102, Wald's interval of that table."""
    low, high = agresti_min(12, 5, 100, 1.96)
    centre = 7 / 102
    spread = 1.96 * sqrt(18 - 49 / 102) / 102
    assert (low, high) == pytest.approx((centre - spread, centre + spread))


@settings(max_examples=60, deadline=None)
@given(counts, counts, st.integers(0, 5000))
def test_the_interval_is_antisymmetric(more, fewer, others):
    images = more + fewer + others + 1
    low, high = agresti_min(more, fewer, images, 1.96)
    assert low <= high
    assert (-high, -low) == pytest.approx(agresti_min(fewer, more, images, 1.96))
