"""Each method's range against hand-worked numbers and against brute force."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnc.errors import InputError
from nnc.exporters.calibration import SIGNED, UNSIGNED, Grid
from nnc.exporters.calibration.entropy import divergences, entropy_range
from nnc.exporters.calibration.histogram import Histogram
from nnc.exporters.calibration.moving_average import GROUP, MOMENTUM, MovingAverage
from nnc.exporters.calibration.mse import SquaredError, mse_range
from nnc.exporters.calibration.percentile import percentile_range

SYMMETRIC = Grid(-127, 127, symmetric=True)
GRIDS = {"u8": UNSIGNED, "s8": SIGNED, "symmetric": SYMMETRIC}
BY_HISTOGRAM = {
    "percentile": lambda histogram, grid: percentile_range(histogram, grid, 99.0),
    "entropy": entropy_range,
    "mse": mse_range,
}


def histogram_of(values: np.ndarray) -> Histogram:
    values = np.asarray(values, np.float32)
    histogram = Histogram(float(values.min()), float(values.max()))
    histogram.add(values)
    return histogram


def quantised(values: np.ndarray, grid: Grid, low: float, high: float) -> np.ndarray:
    scale, zero = grid.parameters(low, high)
    integers = np.clip(np.rint(values / scale) + zero, grid.lowest, grid.highest)
    return (integers - zero) * scale


@pytest.mark.parametrize(
    ("grid", "low", "high", "scale", "zero"),
    [
        (UNSIGNED, 0.0, 25.5, 0.1, 0),
        (UNSIGNED, -25.5, 0.0, 0.1, 255),
        (UNSIGNED, -10.0, 15.5, 0.1, 100),
        (UNSIGNED, 5.0, 25.5, 0.1, 0),  # zero is always among the values
        (SIGNED, -10.0, 15.5, 0.1, -28),
        (SYMMETRIC, -10.0, 12.7, 0.1, 0),
        (Grid(0, 255, symmetric=True), -12.7, 3.0, 0.1, 128),
        (UNSIGNED, 0.0, 0.0, 2**-16, 0),
        (SIGNED, 0.0, 0.0, 2**-16, -128),
    ],
)
def test_scale_and_zero_point(grid, low, high, scale, zero):
    assert grid.parameters(low, high) == (pytest.approx(scale), zero)


@pytest.mark.parametrize("grid", [UNSIGNED, SIGNED], ids=["u8", "s8"])
def test_the_grid_is_the_one_onnxruntime_lays(grid):
    from onnxruntime.quantization.quant_utils import compute_scale_zp

    random = np.random.default_rng(0)
    for low, high in random.uniform([-9, 0], [0, 9], (50, 2)).astype(np.float32):
        zero, scale = compute_scale_zp(
            low, high, np.array(grid.lowest), np.array(grid.highest), symmetric=False
        )
        own_scale, own_zero = grid.parameters(float(low), float(high))
        assert own_scale == pytest.approx(float(scale), rel=1e-6)
        assert own_zero == int(zero)


def test_a_grid_of_fewer_than_three_integers_is_refused():
    with pytest.raises(InputError, match="a grid from 0 to 1; expected 3 integers"):
        Grid(0, 1)


def test_a_histogram_counts_every_value_at_its_place():
    values = np.float32([-1.0, -0.5, 0.0, 0.0, 0.0, 2.0, 3.0])
    histogram = Histogram(-1.0, 3.0, bins=5)  # bins around -1, 0, 1, 2, 3
    histogram.add(values.reshape(7, 1, 1))
    # -0.5 lies on an edge and goes up.
    assert (histogram.width, histogram.zero) == (1.0, 1)
    assert histogram.counts().tolist() == [1, 4, 0, 1, 1]
    assert histogram.folded().tolist() == [4, 1, 1, 1]


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60),
    st.integers(1, 5),
)
def test_a_histogram_loses_nothing(values, parts):
    values = np.float32(values)
    histogram = Histogram(float(values.min()), float(values.max()))
    for part in np.array_split(values, parts):
        histogram.add(part)
    counts = histogram.counts()
    assert counts.sum() == len(values)
    filled = (np.flatnonzero(counts)[[0, -1]] - histogram.zero) * histogram.width
    np.testing.assert_allclose(filled, [values.min(), values.max()], atol=0.51 * histogram.width)


def test_values_out_of_a_histogram_are_refused():
    histogram = Histogram(0.0, 1.0)
    for value in (1.1, -0.1, 1e30, math.nan):
        with pytest.raises(InputError, match="images of the second pass are not those of the"):
            histogram.add(np.float32([value]))


@pytest.mark.parametrize(
    ("values", "percentile", "grid", "expected"),
    [
        # 0..1000 once each: 10 values are 1 %.
        (np.arange(1001), 99.0, UNSIGNED, (0.0, 990.0)),
        (-np.arange(1001), 99.0, UNSIGNED, (-990.0, 0.0)),
        # Both signs: half a per cent at each end.
        (np.arange(-1000, 1001), 99.0, UNSIGNED, (-990.0, 990.0)),
        (np.concatenate([np.arange(2001), [-500]]), 100, UNSIGNED, (-500.0, 2000.0)),
        (np.arange(-1000, 1001), 99.0, SYMMETRIC, (-990.0, 990.0)),
        (np.arange(1001), 100, SYMMETRIC, (-1000.0, 1000.0)),
        # Values away from zero: their range still holds it.
        (np.full(50, 7.0), 99.0, UNSIGNED, (0.0, 7.0)),
        (np.zeros(50), 99.0, UNSIGNED, (0.0, 0.0)),
    ],
)
def test_percentile(values, percentile, grid, expected):
    found = percentile_range(histogram_of(values), grid, percentile)
    assert found == pytest.approx(expected, abs=1.1)


@pytest.mark.parametrize("percentile", [50, 100.1, 0, math.nan])
def test_a_percentile_out_of_range_is_refused(percentile):
    with pytest.raises(InputError, match="expected more than 50, and 100 at most"):
        percentile_range(histogram_of(np.arange(9)), UNSIGNED, percentile)


def test_moving_average_weighs_groups():
    average = MovingAverage(1)
    # Runs of 16 make groups of 32; the last group is half full.
    for low, high in ((-1, 1), (-2, 3), (-5, 4), (0, 5), (-6, 6)):
        average.add(np.array([low]), np.array([high]), GROUP // 2)
    low, high = average.result()
    new, half = 1 - MOMENTUM, (1 - MOMENTUM) / 2
    weights = np.array([new * MOMENTUM * (1 - half), new * (1 - half), half])
    weights /= weights.sum()
    assert low == pytest.approx(weights @ [-2, -5, -6])
    assert high == pytest.approx(weights @ [3, 5, 6])


def test_moving_average_of_equal_groups_is_that_group():
    average = MovingAverage(2)
    for _ in range(3):
        average.add(np.array([-1.0, 0.0]), np.array([1.0, 2.0]), GROUP)
    low, high = average.result()
    np.testing.assert_allclose(low, [-1, 0], atol=1e-12)
    np.testing.assert_allclose(high, [1, 2])


def divergence_by_the_book(counts: np.ndarray, levels: int, first: int, last: int) -> float:
    """Migacz's recipe, step by step."""
    clipped = counts[first:last].astype(float)
    reference = clipped.copy()
    reference[0] += counts[:first].sum()
    reference[-1] += counts[last:].sum()
    borders = np.rint(first + (last - first) * (np.arange(levels + 1) / levels)).astype(int) - first
    candidate = np.zeros_like(clipped)
    for start, end in pairwise(borders):
        used = reference[start:end] > 0
        if used.any():
            candidate[start:end][used] = clipped[start:end].sum() / used.sum()
    p, q = reference / reference.sum(), candidate / candidate.sum()
    kept = p > 0
    with np.errstate(divide="ignore"):
        return float((p[kept] * np.log(p[kept] / q[kept])).sum())


@given(
    st.lists(st.integers(0, 50), min_size=6, max_size=40).filter(lambda counts: any(counts)),
    st.integers(2, 5),
    st.data(),
)
def test_divergences_are_those_of_the_recipe(counts, levels, data):
    counts = np.array(counts, float)
    first = data.draw(st.integers(0, len(counts) - levels))
    last = data.draw(st.integers(first + levels, len(counts)))
    if counts[first:last].sum() == 0:
        return
    expected = divergence_by_the_book(counts, levels, first, last)
    found = divergences(counts, levels, np.array([first]), np.array([last]))
    if math.isfinite(expected):
        assert found[0] == pytest.approx(expected, abs=1e-9)
    else:
        assert found[0] == math.inf


def test_divergence_worked_by_hand():
    # Two levels over 4 bins: (1, 3) -> (2, 2) and (2, 2) -> (2, 2).
    expected = (1 * math.log(1 / 2) + 3 * math.log(3 / 2)) / 8
    counts = np.array([1.0, 3.0, 2.0, 2.0])
    found = divergences(counts, 2, np.array([0, 0, 0]), np.array([4, 2, 1]))
    # Clipped to two bins: the other 4 counts join the second, (1, 7) against (1, 3).
    clipped = 1 / 8 * math.log(1 / 8 / (1 / 4)) + 7 / 8 * math.log(7 / 8 / (3 / 4))
    assert found == pytest.approx([expected, clipped, math.inf])


LONG_TAIL = {
    "both signs": lambda random: random.standard_t(3, 40_000),
    "after a Relu": lambda random: np.maximum(random.standard_t(3, 40_000), 0),
    "negative": lambda random: -np.abs(random.standard_t(3, 40_000)),
}


@pytest.mark.parametrize(
    "grid", [*GRIDS.values(), Grid(0, 15), Grid(-7, 7, True)], ids=[*GRIDS, "u4", "s4"]
)
@pytest.mark.parametrize("draw", LONG_TAIL.values(), ids=LONG_TAIL)
def test_mse_is_the_least_squared_error_on_the_very_grid(draw, grid):
    values = draw(np.random.default_rng(0)).astype(np.float32)
    histogram = histogram_of(values)
    low, high = mse_range(histogram, grid)

    def error(a: float, b: float) -> float:
        return float(((quantised(values, grid, a, b) - values) ** 2).mean())

    own = error(low, high)
    told = SquaredError(histogram, grid).of(np.array([low]), np.array([high]))[0]
    assert told == pytest.approx(own, rel=0.05)
    full_low, full_high = grid.widened(values.min(), values.max())
    if grid.levels < 32:
        assert own < 0.5 * error(full_low, full_high)
    steps = np.linspace(0.04, 1, 16)
    best = min(error(full_low * a, full_high * b) for a in steps for b in steps)
    assert own <= 1.03 * best


def test_mse_does_not_clip_what_is_exact():
    pixels = np.repeat(np.arange(256), 40) * 0.5
    assert mse_range(histogram_of(pixels), UNSIGNED) == (0.0, pytest.approx(127.5))
    # Where nearly all is one large value, cutting it off would cost most.
    clipped = np.concatenate([np.linspace(0, 6, 1000), np.full(5000, 6.0), np.zeros(9000)])
    assert mse_range(histogram_of(clipped), UNSIGNED)[1] == pytest.approx(6.0, rel=2e-3)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("draw", LONG_TAIL.values(), ids=LONG_TAIL)
def test_entropy_cuts_long_tails_off(draw, grid):
    values = draw(np.random.default_rng(0)).astype(np.float32)
    low, high = entropy_range(histogram_of(values), grid)
    full = max(-values.min(), values.max())
    assert max(-low, high) < 0.6 * full
    # Most of the values stay inside.
    assert ((values >= low) & (values <= high)).mean() > 0.97


def test_entropy_is_not_led_by_one_frequent_value():
    random = np.random.default_rng(0)
    spread = np.abs(random.normal(0, 2, 50_000))
    background = np.full(400_000, 1.2345)
    low, high = entropy_range(histogram_of(np.concatenate([spread, background])), UNSIGNED)
    alone = entropy_range(histogram_of(spread), UNSIGNED)[1]
    assert low == 0
    assert high == pytest.approx(alone, rel=0.1)
    assert entropy_range(histogram_of(np.full(9, 3.0)), UNSIGNED) == (0.0, 3.0)


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(sorted(GRIDS)),
    st.sampled_from(sorted(BY_HISTOGRAM)),
    st.integers(0, 2**16),
    st.floats(1e-6, 1e6),
    st.floats(-3, 3),
)
def test_ranges_hold_zero_and_stay_within_what_was_seen(grid, method, seed, unit, shift):
    values = ((np.random.default_rng(seed).normal(shift, 1, 300)) * unit).astype(np.float32)
    low, high = BY_HISTOGRAM[method](histogram_of(values), GRIDS[grid])
    full_low, full_high = GRIDS[grid].widened(float(values.min()), float(values.max()))
    assert low <= 0 <= high
    assert full_low <= low * (1 - 1e-9)
    assert high * (1 - 1e-9) <= full_high
    if GRIDS[grid].symmetric:
        assert low == -high
    scale, zero = GRIDS[grid].parameters(low, high)
    assert scale > 0
    assert GRIDS[grid].lowest <= zero <= GRIDS[grid].highest
    # The scale follows the unit that the values are measured in.
    if low < high:
        other = BY_HISTOGRAM[method](histogram_of(values * np.float32(2)), GRIDS[grid])
        assert other == pytest.approx((2 * low, 2 * high))


@pytest.mark.parametrize("method", BY_HISTOGRAM.values(), ids=BY_HISTOGRAM)
@pytest.mark.parametrize("value", [0.0, 4.0, -4.0])
def test_a_tensor_that_never_changes(method, value):
    low, high = method(histogram_of(np.full(100, value)), UNSIGNED)
    assert (low, high) == (min(value, 0.0), max(value, 0.0))
