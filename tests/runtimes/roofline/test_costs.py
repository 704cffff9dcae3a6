"""MACs and bytes of each layer of float graphs, against figures counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nnc.runtimes.roofline.costs import layer_costs

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

node = helper.make_node


def model(nodes, constants=None, *, channels=8, size=4, output="y", kind=TensorProto.FLOAT):
    """A model that takes ``x``, [N, channels, size, size]."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, ["n", channels, size, size])],
        [helper.make_tensor_value_info(output, kind, None)],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def costs(nodes, constants=None, *, batch=1, **options):
    made = model(nodes, constants, **options)
    image = (options.get("channels", 8), *2 * [options.get("size", 4)])
    return layer_costs(made, image, batch)


def floats(*shape):
    return np.ones(shape, np.float32)


def figures(layers):
    return [(c.name, c.op, c.macs, c.weight_bytes, c.activation_bytes) for c in layers]


def test_the_tiny_network(net):
    found = layer_costs(net.tiny_model(), (1, 8, 8), 1)
    assert figures(found) == [
        # The activation is part of the convolution; Flatten moves nothing and is no layer.
        ("conv", "Conv", 4 * 64 * 9, 4 * (36 + 4), 4 * (64 + 256)),
        ("c", "GlobalAveragePool", 0, 0, 4 * (256 + 4)),
        ("fc", "Gemm", 12, 4 * (12 + 3), 4 * (4 + 3)),
    ]
    assert found[0].makes == ("a", "b")
    assert not any(cost.int8 for cost in found)
    assert found[0].bytes == found[0].weight_bytes + found[0].activation_bytes


def test_a_batch_multiplies_all_but_the_weights(net):
    one, four = (layer_costs(net.tiny_model(), (1, 8, 8), size) for size in (1, 4))
    for alone, batch in zip(one, four, strict=True):
        assert (batch.macs, batch.weight_bytes) == (4 * alone.macs, alone.weight_bytes)
        assert batch.activation_bytes == 4 * alone.activation_bytes


@pytest.mark.parametrize(("groups", "weights"), [(8, 8 * 9), (2, 8 * 4 * 9), (1, 8 * 8 * 9)])
def test_depthwise_and_grouped_convolutions(groups, weights):
    constants = {"w": floats(8, 8 // groups, 3, 3)}
    nodes = [node("Conv", ["x", "w"], ["y"], "c", group=groups, pads=[1, 1, 1, 1])]
    assert figures(costs(nodes, constants)) == [
        ("c", "Conv", 16 * weights, 4 * weights, 4 * (128 + 128))
    ]


def test_what_reads_a_result_beside_others_is_a_layer_of_its_own():
    nodes = [
        node("Conv", ["x", "w"], ["a"], "c"),
        node("Sigmoid", ["a"], ["b"], "gate"),
        node("Mul", ["a", "b"], ["m"], "times"),
        node("Add", ["m", "x"], ["s"], "sum"),
        node("Relu", ["s"], ["y"], "relu"),
    ]
    one = 4 * 128
    assert figures(costs(nodes, {"w": floats(8, 8, 1, 1)})) == [
        ("c", "Conv", 16 * 64, 4 * 64, 2 * one),
        ("gate", "Sigmoid", 0, 0, 2 * one),
        ("times", "Mul", 0, 0, 3 * one),
        ("sum", "Add", 0, 0, 3 * one),
    ]


def test_constants_go_with_the_layer_they_are_applied_to():
    nodes = [
        node("Conv", ["x", "w"], ["a"], "c"),
        node("BatchNormalization", ["a", "k", "k", "k", "k"], ["b"], "norm"),
        node("Mul", ["b", "two"], ["m"], "double"),
        node("Add", ["m", "shift"], ["n"], "shifted"),
        node("Clip", ["n", "zero", "six"], ["y"], "clip"),
    ]
    constants = {
        "w": floats(8, 8, 1, 1),
        "k": floats(8),
        "two": floats(),
        "shift": floats(1, 8, 1, 1),
        "zero": floats(),
        "six": floats(),
    }
    (only,) = costs(nodes, constants)
    assert only.weight_bytes == 4 * (64 + 8 + 8)
    assert only.activation_bytes == 4 * (128 + 128)
    assert only.makes == ("a", "b", "m", "n", "y")


def test_a_channel_shuffle_moves_its_bytes_once():
    nodes = [
        node("Reshape", ["x", "apart"], ["a"], "apart"),
        node("Transpose", ["a"], ["b"], "turn", perm=[0, 2, 1, 3, 4]),
        node("Reshape", ["b", "back"], ["c"], "back"),
        node("Split", ["c", "sizes"], ["d", "e"], "split", axis=1),
        node("Concat", ["e", "d", "x"], ["y"], "join", axis=1),
    ]
    constants = {
        "apart": np.array([0, 2, 4, 4, 4]),
        "back": np.array([0, 8, 4, 4]),
        "sizes": np.array([2, 6]),
    }
    assert figures(costs(nodes, constants)) == [
        ("turn", "Transpose", 0, 0, 4 * 2 * 128),
        ("split", "Split", 0, 0, 4 * 2 * 128),
        ("join", "Concat", 0, 0, 4 * (128 + 128 + 256)),
    ]


def test_a_transposition_of_single_positions_moves_nothing():
    nodes = [
        node("GlobalAveragePool", ["x"], ["a"], "mean"),
        node("Transpose", ["a"], ["b"], "turn", perm=[0, 2, 3, 1]),
        node("Relu", ["b"], ["y"], "relu"),
    ]
    assert [cost.name for cost in costs(nodes)] == ["mean", "relu"]


def test_slices_and_gathers_read_what_they_hand_on():
    nodes = [
        node("Slice", ["x", "from", "to", "axes"], ["a"], "slice"),
        node("Gather", ["a", "which"], ["b"], "pick", axis=1),
        node("MaxPool", ["b"], ["c"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Pad", ["c", "pads"], ["y"], "pad"),
    ]
    constants = {
        "from": np.array([0]),
        "to": np.array([4]),
        "axes": np.array([1]),
        "which": np.array([2, 0]),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    }
    assert figures(costs(nodes, constants)) == [
        ("slice", "Slice", 0, 0, 4 * 2 * 64),
        ("pick", "Gather", 0, 0, 4 * 2 * 32),
        ("pool", "MaxPool", 0, 0, 4 * (32 + 8)),
        ("pad", "Pad", 0, 0, 4 * (8 + 32)),
    ]


def test_what_constants_alone_make_is_done_before_the_first_image():
    """Weights stored as int8 are floats by the time the network runs; so is a computed shape."""
    nodes = [
        node("Cast", ["w_stored"], ["w_cast"], "cast", to=TensorProto.FLOAT),
        node("Mul", ["w_cast", "steps"], ["w"], "w_read"),
        node("Conv", ["x", "w"], ["a"], "c"),
        node("Shape", ["a"], ["s"], "shape"),
        node("Gather", ["s", "first"], ["n"], "batch"),
        node("Concat", ["n", "rest"], ["t"], "target", axis=0),
        node("Reshape", ["a", "t"], ["y"], "flat"),
    ]
    constants = {
        "w_stored": np.ones((8, 8, 1, 1), np.int8),
        "steps": floats(8, 1, 1, 1),
        "first": np.array([0]),
        "rest": np.array([-1]),
    }
    assert figures(costs(nodes, constants)) == [("c", "Conv", 1024, 4 * 64, 4 * 256)]


def test_half_precision_has_two_bytes():
    constants = {"w": np.ones((8, 8, 1, 1), np.float16)}
    nodes = [node("Conv", ["x", "w"], ["y"], "c")]
    (only,) = costs(nodes, constants, kind=TensorProto.FLOAT16)
    assert (only.weight_bytes, only.activation_bytes) == (2 * 64, 2 * 256)


def test_matrix_products_and_names():
    """A layer without a name, or with another's, is called by what it makes."""
    nodes = [
        node("Flatten", ["x"], ["f"]),
        node("MatMul", ["f", "w"], ["a"], "same"),
        node("Add", ["a", "shift"], ["b"], "same"),
        node("Softmax", ["b"], ["c"], "same"),
        node("MatMul", ["c", "v"], ["y"]),
    ]
    constants = {"w": floats(128, 6), "shift": floats(6), "v": floats(6, 2)}
    assert figures(costs(nodes, constants)) == [
        ("same", "MatMul", 128 * 6, 4 * (128 * 6 + 6), 4 * (128 + 6)),
        ("c", "Softmax", 0, 0, 4 * 12),
        ("y", "MatMul", 12, 4 * 12, 4 * 8),
    ]


def test_what_the_graph_does_not_tell_is_unknown():
    nodes = [
        node("Mystery", ["x"], ["a"], "odd", domain="com.microsoft"),
        node("Conv", ["a", "w"], ["y"], "c"),
    ]
    odd, conv = costs(nodes, {"w": floats(8, 8, 1, 1)})
    assert (odd.bytes, conv.macs, conv.bytes) == (None, None, None)
    assert conv.weight_bytes == 4 * 64
    attention = costs([node("LSTM", ["x"], ["y"], "lstm", hidden_size=4)])
    assert attention[0].macs is None
