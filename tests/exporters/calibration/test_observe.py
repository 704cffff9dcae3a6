"""What is observed of a network: the values it really takes, in memory that does not grow."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from nnc.errors import InputError
from nnc.exporters.calibration import METHODS, UNSIGNED, observe, passes
from nnc.exporters.calibration import watch as watching

TENSORS = ("input", "conv", "relu", "scores")


def network(batch: int | str = "N", operator: str = "Relu") -> object:
    random = np.random.default_rng(0)
    weights = {
        "w": random.normal(size=(6, 1, 3, 3)).astype(np.float32),
        "fc": random.normal(size=(6, 4)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["conv"], name="conv"),
        helper.make_node(operator, ["conv"], ["relu"], name="relu"),
        helper.make_node("GlobalAveragePool", ["relu"], ["pool"], name="pool"),
        helper.make_node("Flatten", ["pool"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "fc"], ["scores"], name="scores"),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 4])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def images(count: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(size=(count, 1, 8, 8)).astype(np.float32)


def in_batches(given: np.ndarray, size: int):
    return lambda: (given[start : start + size] for start in range(0, len(given), size))


def values_of(given: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor's values, by ONNX's own reference."""
    from onnx.reference import ReferenceEvaluator

    model = network()
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("conv", "relu")
    )
    scores, conv, relu = ReferenceEvaluator(model).run(None, {"input": given})
    return {"input": given, "conv": conv, "relu": relu, "scores": scores}


@pytest.fixture(scope="module")
def observed():
    return observe(network(), TENSORS, in_batches(images(100), 32), METHODS, threads=1)


def test_minmax_is_what_the_tensors_take(observed):
    values = values_of(images(100))
    for name in TENSORS:
        expected = (values[name].min(), values[name].max())
        assert observed.minmax[name] == pytest.approx(expected, rel=1e-5)
    assert observed.images == 100
    assert observed.ranges("minmax")["relu"] == (0.0, pytest.approx(values["relu"].max()))


def test_histograms_count_every_value(observed):
    for name, value in values_of(images(100)).items():
        histogram = observed.histograms[name]
        counts = histogram.counts()
        assert counts.sum() == value.size
        places = np.floor(value.ravel() / histogram.width + histogram.zero + 0.5).astype(int)
        expected = np.bincount(np.clip(places, 0, len(counts) - 1), minlength=len(counts))
        # Sums in another order may carry a value over a bin's edge.
        assert np.abs(np.cumsum(counts) - np.cumsum(expected)).max() <= 0.01 * value.size


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_every_tensor_a_range_within_minmax(observed, method):
    widest = observed.ranges("minmax")
    found = observed.ranges(method)
    assert list(found) == list(TENSORS)
    for name, (low, high) in found.items():
        assert widest[name][0] <= low <= 0 <= high <= widest[name][1]
        assert high > low


def test_a_lower_percentile_is_a_narrower_range(observed):
    wide, narrow = (observed.ranges("percentile", percentile=p)["conv"] for p in (99.9, 95.0))
    assert wide[0] < narrow[0]
    assert narrow[1] < wide[1]
    with pytest.raises(InputError, match="percentile 0"):
        observed.ranges("minmax", percentile=0.0)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70))
def test_how_the_images_are_batched_changes_nothing(count, size):
    given = images(count)
    whole = observe(network(), TENSORS, in_batches(given, count), METHODS, threads=1)
    parts = observe(network(), TENSORS, in_batches(given, size), METHODS, threads=1)
    assert whole.images == parts.images == count
    assert whole.minmax == parts.minmax
    assert whole.averages == parts.averages
    for name in TENSORS:
        counts = (found.histograms[name].counts() for found in (whole, parts))
        np.testing.assert_array_equal(*counts)


def test_a_fixed_batch_leaves_out_what_does_not_fill_it():
    found = observe(network(4), TENSORS, in_batches(images(10), 3), threads=1)
    free = observe(network(), TENSORS, in_batches(images(8), 8), threads=1)
    assert found.images == 8
    for name in TENSORS:
        assert found.minmax[name] == pytest.approx(free.minmax[name], rel=1e-5)
    with pytest.raises(InputError, match=r"3 calibration image\(s\) do not fill one batch"):
        observe(network(4), TENSORS, in_batches(images(3), 3))


def test_tensors_over_the_budget_are_looked_at_in_turns(monkeypatch, observed):
    monkeypatch.setattr(watching, "_BUDGET", 300)
    found = observe(network(), TENSORS, in_batches(images(100), 32), METHODS, threads=1)
    for name in TENSORS:
        assert found.minmax[name] == pytest.approx(observed.minmax[name], rel=1e-5)
        assert found.histograms[name].counts().sum() == observed.histograms[name].counts().sum()


def test_memory_does_not_grow_with_the_images():
    def peak(count: int) -> int:
        def batches():
            for seed in range(count // 50):
                yield images(50, seed)

        tracemalloc.start()
        observe(network(), TENSORS, batches, METHODS, threads=1)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(50)
    few, many = peak(100), peak(2000)
    one_image = images(1).nbytes
    assert many - few < 100 * one_image


@pytest.mark.parametrize(
    ("methods", "expected"),
    [(("minmax",), 1), (("minmax", "moving-average"), 1), (("mse",), 2), (METHODS, 2)],
)
def test_no_more_passes_than_needed_and_progress_counts_them(methods, expected):
    calls, steps = [], []

    class Bar:
        def advance(self, steps_done: int = 1, note: str = "") -> None:
            steps.append(steps_done)

    def batches():
        calls.append(None)
        yield images(40)

    observe(network(), TENSORS, batches, methods, threads=1, task=Bar())
    assert len(calls) == passes(methods) == expected
    assert sum(steps) == 40 * expected


def test_the_model_is_as_it_was():
    model = network()
    before = model.SerializeToString()
    observe(model, TENSORS, in_batches(images(4), 4), METHODS)
    assert model.SerializeToString() == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (images(0), "no calibration images"),
        (np.zeros((4, 1, 8, 8), np.float32), r"calibration images \(4\) are constant"),
        (np.ones((1, 1, 8, 8), np.float32), r"calibration images \(1\) are constant"),
        (np.repeat(images(1), 5, axis=0), "all 5 calibration images are the same"),
        (np.float32([1, 2])[:, None, None, None] * np.ones((1, 1, 8, 8), np.float32), "constant"),
        (np.full((2, 1, 8, 8), np.nan, np.float32), "hold NaN or infinite values after normal"),
        (np.ones((2, 1, 8, 8)), r"calibration images float64 \[2, 1, 8, 8\]; expected float32"),
        (np.ones((2, 64), np.float32), r"expected float32 \[N, C, H, W\]"),
        (images(2)[:, :, :5], "the model cannot run on the calibration images"),
    ],
    ids=["none", "zero", "one", "same", "flat", "nan", "dtype", "rank", "size"],
)
def test_images_that_tell_nothing_are_refused(given, message):
    with pytest.raises(InputError, match=message) as caught:
        observe(network(), TENSORS, in_batches(given, 2), METHODS)
    assert "\n" not in str(caught.value)


def test_images_that_change_between_the_passes_are_refused():
    factors = iter([1, 2])
    with pytest.raises(InputError, match="second pass are not those of the first"):
        observe(network(), TENSORS, lambda: iter([images(8) * next(factors)]), METHODS)
    counts = iter([8, 4])
    with pytest.raises(InputError, match="8 calibration images in the first pass and another"):
        observe(network(), TENSORS, lambda: iter([images(8)[: next(counts)]]), METHODS)


def test_a_nan_is_named_even_where_the_next_layer_hides_it():
    # Log of a negative number is NaN, of which neither a minimum nor a later layer need tell.
    with pytest.raises(InputError, match="tensor 'relu' becomes NaN or infinite on"):
        observe(network(operator="Log"), TENSORS, in_batches(images(4), 4))


@pytest.mark.parametrize("methods", [("magic",), ("minmax", "random")])
def test_unknown_methods_are_refused(methods):
    with pytest.raises(InputError, match=r"unknown calibration method .*: expected one of"):
        observe(network(), TENSORS, in_batches(images(4), 4), methods)


def test_a_method_that_was_not_observed_is_refused(observed):
    found = observe(network(), TENSORS, in_batches(images(4), 4), ("minmax",), UNSIGNED)
    assert found.ranges("moving-average")
    with pytest.raises(InputError, match="no histograms were taken for method 'mse'"):
        found.ranges("mse")
    with pytest.raises(InputError, match="unknown calibration method"):
        observed.ranges("magic")
