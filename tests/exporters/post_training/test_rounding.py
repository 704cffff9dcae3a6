from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnc.exporters.post_training import rounding
from nnc.exporters.post_training.rounding import choose_rounding, output_error


def problem(seed=0, groups=1, rows=4, inputs=12, samples=200, rank=3, scale=1.0, noise=0.1):
    """Weights in steps and moments of inputs that move together along ``rank`` directions."""
    generator = np.random.default_rng(seed)
    weights = generator.normal(0, 20, (groups, rows, inputs)).astype(np.float32)
    mixing = generator.normal(0, 1, (groups, inputs, rank))
    given = mixing @ generator.normal(0, 1, (groups, rank, samples))
    given = scale * (given + noise * generator.normal(0, 1, given.shape))
    outputs = weights @ given
    moments = given @ given.transpose(0, 2, 1) / samples
    cross = outputs @ given.transpose(0, 2, 1) / samples
    return weights, moments.astype(np.float32), cross.astype(np.float32)


def nearest(weights, limit=127):
    return np.clip(np.rint(weights), -limit, limit)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    groups=st.integers(1, 3),
    rows=st.integers(1, 5),
    inputs=st.integers(1, 20),
    rank=st.integers(1, 4),
    scale=st.sampled_from([1e-4, 1.0, 1e4]),
    limit=st.sampled_from([64, 127]),
)
def test_no_row_errs_more_than_rounded_to_nearest(seed, groups, rows, inputs, rank, scale, limit):
    weights, moments, cross = problem(seed, groups, rows, inputs, rank=rank, scale=scale)
    weights = weights * np.float32(limit / 40)  # some are beyond the limit
    before = rounding._STEPS
    rounding._STEPS = 120
    try:
        values = choose_rounding(weights, moments, cross, limit)
    finally:
        rounding._STEPS = before
    assert values.dtype == np.int8
    assert np.abs(values.astype(int)).max() <= limit
    inside = np.clip(weights, -limit, limit)
    assert np.abs(values - inside).max() <= 1
    error = output_error(values, moments, cross)
    plain = output_error(nearest(weights, limit), moments, cross)
    assert (error <= plain + 1e-9 * np.abs(plain)).all()


def test_outputs_err_far_less_where_inputs_move_together():
    weights, moments, cross = problem(rows=32, inputs=64)
    power = np.einsum("gmk,gkl,gml->gm", weights, moments, weights, dtype=np.float64)
    error = output_error(choose_rounding(weights, moments, cross, 127), moments, cross) + power
    plain = output_error(nearest(weights), moments, cross) + power
    assert error.mean() < 0.25 * plain.mean()


@pytest.mark.parametrize(
    ("few", "gap"), [(9, 1e-9), (0, 0.5)], ids=["all choices tried", "relaxed"]
)
def test_close_to_the_best_of_all_choices(few, gap, monkeypatch):
    monkeypatch.setattr(rounding, "_FEW", few)
    reached, best, plain = 0.0, 0.0, 0.0
    for seed in range(10):
        weights, moments, cross = problem(seed, rows=3, inputs=9)
        power = np.einsum("gmk,gkl,gml->gm", weights, moments, weights, dtype=np.float64)
        low = np.floor(weights)
        choices = np.stack([low + np.array(ups) for ups in product((0, 1), repeat=9)])
        every = np.stack([output_error(values, moments, cross) for values in choices])
        best += (every.min(axis=0) + power).sum()
        values = choose_rounding(weights, moments, cross, 127)
        reached += (output_error(values, moments, cross) + power).sum()
        plain += (output_error(nearest(weights), moments, cross) + power).sum()
    assert best <= reached * (1 + 1e-9)
    assert reached - best < gap * (plain - best)


def test_inputs_that_are_always_0_leave_nearest():
    weights = problem()[0]
    moments, cross = np.zeros((1, 12, 12), np.float32), np.zeros((1, 4, 12), np.float32)
    np.testing.assert_array_equal(choose_rounding(weights, moments, cross, 127), nearest(weights))


def test_independent_inputs_leave_nearest():
    weights = problem()[0]
    moments = np.eye(12, dtype=np.float32)[None]
    values = choose_rounding(weights, moments, weights.copy(), 127)
    np.testing.assert_array_equal(values, nearest(weights))


def test_whole_steps_stay():
    weights, moments, _ = problem()
    weights = np.rint(weights)
    values = choose_rounding(weights, moments, weights @ moments, 127)
    np.testing.assert_array_equal(values, np.clip(weights, -127, 127))


def test_layers_too_large_to_relax_are_still_better_than_nearest(monkeypatch):
    def refuse(*_args):
        raise AssertionError("too large")

    monkeypatch.setattr(rounding, "_PRODUCTS", 100)
    monkeypatch.setattr(rounding, "_relax", refuse)
    weights, moments, cross = problem(rows=8, inputs=200)
    values = choose_rounding(weights, moments, cross, 127)
    error, plain = (output_error(v, moments, cross) for v in (values, nearest(weights)))
    assert (error < plain).all()
