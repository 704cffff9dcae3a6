"""Times on a GPU: computing apart from copies, as trtexec reports them."""

from __future__ import annotations

import time

import numpy as np
import pytest

from nnc.runtimes.accuracy.accuracy import predict
from nnc.runtimes.base import DeviceTimed, DeviceTimes, TensorSpec
from nnc.runtimes.gpu.latency import summarise_gpu
from nnc.runtimes.workers.latency import time_round


class Counting:
    """A runtime that returns the first three pixels, and says that the n-th run took n us."""

    name = "counting"
    outputs = (TensorSpec("y", "float32", (None, 3)),)

    def __init__(self, batches=None):
        self.inputs = (TensorSpec("x", "float32", (None, 1, 2, 2), batches),)
        self.sizes = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def run(self, feeds):
        self.sizes.append(len(feeds["x"]))
        time.perf_counter_ns()
        return {"y": feeds["x"].reshape(-1, 4)[:, :3]}

    def device_times(self):
        return DeviceTimes(10, 1000 * len(self.sizes), 20)


def test_where_the_time_went_is_read_after_each_run():
    runtime = Counting()
    assert isinstance(runtime, DeviceTimed)
    rows = time_round(runtime, {"x": np.zeros((1, 1, 2, 2), np.float32)}, 20).times
    assert rows.shape == (4, 20)
    assert rows.dtype == np.int64
    assert (rows[0] > 0).all()
    # Two runs warm up and are not counted.
    np.testing.assert_array_equal(rows[2], 1000 * np.arange(3, 23))
    assert set(rows[1]) == {10}
    assert set(rows[3]) == {20}


def test_percentiles_are_of_the_computing():
    compute = np.arange(1, 101) * 1_000_000
    rows = np.stack([compute * 9, np.full(100, 2_000_000), compute, np.full(100, 3_000_000)])
    found = summarise_gpu([rows[:, :50], rows[:, 50:]])
    assert found.median == pytest.approx(50.5)
    assert (found.p90, found.p95, found.p99) == pytest.approx((90.1, 95.05, 99.01))
    assert (found.host_to_device, found.device_to_host) == (2, 3)
    assert found.variation == pytest.approx(np.std(compute) / np.mean(compute))
    assert not found.steady
    assert found.to_json()["compute"]["p99"] == found.p99


def test_even_times_are_steady():
    rows = np.full((4, 10), 1000, np.int64)
    assert summarise_gpu([rows]).steady


def test_without_a_gpu_there_is_nothing_to_say():
    assert summarise_gpu([np.ones((1, 5), np.int64)]) is None


@pytest.mark.parametrize(
    ("batches", "images", "sizes"),
    [((1, 4), 10, [4, 4, 4]), ((1, 16), 10, [10]), ((8, 16), 3, [8]), (None, 10, [10])],
)
def test_images_come_in_batches_that_the_engine_takes(net, tmp_path, batches, images, sizes):
    from nnc.model_card import InputSpec

    pixels = np.zeros((images, 2, 2, 1), np.uint8)
    pixels[:, 0, 1] = 200
    runtime = Counting(batches)
    spec = InputSpec(1, 2, 2, (0.0,), (1.0,))
    found = predict(runtime, pixels, spec, 3, tmp_path).classes
    assert found.tolist() == [1] * images
    assert runtime.sizes == sizes
