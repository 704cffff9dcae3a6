"""Channels of one value for every image leave only where that is exact."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from .building import Net, compacted, first


def constant_channels(net: Net, value: float = 0.7) -> str:
    """The first convolution, whose dead filters make ``value`` everywhere."""
    x = first(net)
    bias = np.full(8, value, net.dtype)
    net.tensors[-1].CopyFrom(numpy_helper.from_array(bias, "first.bias"))
    return x


@pytest.mark.parametrize("pads", [0, 1])
def test_constants_fold_only_where_nothing_is_padded(pads: int):
    net = Net()
    x = constant_channels(net)
    done = compacted(net.model(net.conv(x, 8, 4, 3, pads=[pads] * 4, bias=False)))
    assert done.shape("first")[0] == (8 if pads else 5)


def test_constants_do_not_fold_over_pixels_that_differ():
    net = Net()
    x = net.add("Add", first(net), net.weight(1, 8, 6, 6))
    x = net.add("Slice", x, net.ints(0), net.ints(6), net.ints(3), net.ints(2))
    x = net.add("Gather", x, net.constant(np.int64(1)), axis=3)
    done = compacted(net.model(net.conv(net.add("Unsqueeze", x, net.ints(3)), 8, 4)))
    assert done.shape("first")[0] == 8


def test_a_sum_over_an_open_size_is_no_constant():
    net = Net()
    x = net.add("ReduceSum", constant_channels(net), net.ints(2, 3))
    model = net.model(net.conv(x, 8, 4), shape=("n", 3, "h", "w"))
    done = compacted(model, shapes=[(1, 3, 6, 6), (2, 3, 9, 5)])
    assert done.shape("first")[0] == 8


def test_an_average_that_counts_zeros_is_no_constant():
    net = Net()
    x = constant_channels(net)
    x = net.add("AveragePool", x, kernel_shape=[3, 3], auto_pad="SAME_UPPER", count_include_pad=1)
    assert compacted(net.model(net.conv(x, 8, 4))).shape("first")[0] == 8


def test_infinity_is_no_constant():
    net = Net()
    x = net.add("Exp", net.add("Log", net.add("Relu", first(net))))
    compacted(net.model(net.conv(x, 8, 4)))


@pytest.mark.parametrize("handed_out", [False, True])
def test_a_bias_that_is_read_elsewhere_is_not_rewritten(handed_out: bool):
    net = Net()
    y = net.conv(constant_channels(net), 8, 4, name="second")
    if handed_out:
        model = net.model(y, net.add("Identity", "second.bias"))
    else:
        model = net.model(net.add("Softmax", "second.bias", axis=0), y)
    done = compacted(model)
    assert done.shape("first")[0] == 5
    assert done.shape("second.bias") == (4,)


def test_one_bias_for_two_layers_takes_up_two_constants():
    net = Net()
    x = net.add("Relu", constant_channels(net))
    bias = net.weight(4, name="bias")
    one = net.add("Conv", x, net.weight(4, 8, 1, 1), bias)
    two = net.add("Conv", x, net.weight(4, 8, 3, 3), bias)
    assert compacted(net.model(one, two)).shape("first")[0] == 5
