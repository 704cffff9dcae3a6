"""Graphs that tempt to a wrong answer: channels stay where something else depends on them."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from nnc.errors import InputError
from nnc.exporters.channels import compact

from .building import Net, compacted, first


@pytest.mark.parametrize("hidden", [6, 8])
def test_weights_that_two_layers_use_the_other_way_round(hidden: int):
    net = Net()
    x = net.gemm(
        net.add("Flatten", net.add("GlobalAveragePool", "x")), 3, 8, dead=[0, 2, 5], name="first"
    )
    weight = net.weight(hidden, 8, name="tied", dead=[1, 2])
    x = net.add("Relu", net.add("Gemm", net.add("Relu", x), weight, transB=1))
    x = net.add("Relu", net.add("Gemm", x, weight))
    done = compacted(net.model(net.gemm(x, 8, 5)))
    assert done.shape("tied") == (hidden - 2, 8)


def test_shared_weights_leave_only_together():
    net = Net()
    weight = net.weight(8, 3, 1, 1, name="shared", dead=[1, 2, 3])
    one, two = net.add("Conv", "x", weight), net.add("Conv", net.add("Neg", "x"), weight)
    end = net.add("Add", net.conv(one, 8, 4, 3), net.conv(two, 8, 4, 3))
    assert compacted(net.model(end)).shape("shared")[0] == 5


def test_a_weight_that_something_else_reads_stays():
    net = Net()
    x = first(net)
    product = net.add("Mul", net.add("ReduceMax", "x", keepdims=0), "first")
    size = net.add("ReduceMean", product, keepdims=0)
    done = compacted(net.model(net.add("Mul", net.conv(x, 8, 4), size)))
    assert done.shape("first")[0] == 8


def test_a_weight_that_a_constant_is_made_of_as_well_leaves():
    net = Net()
    x = first(net)
    size = net.add("ReduceMean", "first", keepdims=0)
    done = compacted(net.model(net.add("Mul", net.conv(x, 8, 4), size)))
    assert done.shape("first")[0] == 5


@pytest.mark.parametrize("kind", ["filter", "neuron", "slice"])
def test_no_tensor_becomes_empty(kind: str):
    net = Net()
    if kind == "filter":
        x = net.conv(net.conv("x", 3, 1, dead=[0], name="only"), 1, 4, 3)
    elif kind == "neuron":
        x = net.gemm(net.add("Flatten", "x"), 108, 1, dead=[0], name="only")
        x = net.gemm(x, 1, 4)
    else:
        x = net.conv("x", 3, 8, dead=[2], name="only")
        part = net.add("Slice", x, net.ints(2), net.ints(3), net.ints(1))
        x = net.add("Add", net.conv(part, 1, 4), net.conv(x, 8, 4))
    done = compacted(net.model(x))
    assert done.shape("only")[0] == (8 if kind == "slice" else 1)


def test_a_wholly_dead_layer_keeps_one_channel():
    net = Net()
    x = net.add("Relu", net.norm(net.conv("x", 3, 8, dead=range(8), name="first"), 8, range(8)))
    assert compacted(net.model(net.conv(x, 8, 4, 3))).shape("first")[0] == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_an_error(bad: float):
    net = Net()
    model = net.model(net.conv(first(net), 8, 4, name="second"))
    tensor = next(t for t in model.graph.initializer if t.name == "second")
    value = numpy_helper.to_array(tensor).copy()
    value[1, 2] = bad
    tensor.CopyFrom(numpy_helper.from_array(value, "second"))
    with pytest.raises(InputError, match="parameter second holds NaN or infinite weights"):
        compact(model)


@pytest.mark.parametrize("multiple", [0, 1025])
def test_a_multiple_out_of_range_is_an_error(multiple: int):
    net = Net()
    model = net.model(net.conv("x", 3, 4))
    with pytest.raises(InputError, match="expected 1 to 1024"):
        compact(model, round_to=multiple)


def test_nothing_to_prune():
    net = Net()
    done = compacted(net.model(net.add("Relu", net.add("MaxPool", "x", kernel_shape=[2, 2]))))
    assert done.compaction.layers == ()
    assert not done.compaction.changed
