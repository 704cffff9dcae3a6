"""Operators that channels are not followed through: what they touch stays, and a line says so."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from .building import Net, compacted, first


def softmax(net: Net, x: str) -> str:
    return net.add("Softmax", x, axis=1)


def layer_norm(net: Net, x: str) -> str:
    y = net.add("Transpose", x, perm=[0, 2, 3, 1])
    y = net.add("LayerNormalization", y, net.weight(8), net.weight(8), axis=-1)
    return net.add("Transpose", y, perm=[0, 3, 1, 2])


def group_norm(net: Net, x: str) -> str:
    y = net.add("Reshape", x, net.ints(0, 2, -1))
    y = net.add("InstanceNormalization", y, net.weight(2), net.weight(2))
    return net.add("Reshape", y, net.ints(0, 8, 6, 6))


def mean_over_channels(net: Net, x: str) -> str:
    return net.add("Sub", x, net.add("ReduceMean", x, net.ints(1)))


def matmul_of_two(net: Net, x: str) -> str:
    return net.add("MatMul", x, x)


def strided_channels(net: Net, x: str) -> str:
    return net.add("Concat", *[
        net.add("Slice", x, net.ints(start), net.ints(8), net.ints(1), net.ints(2))
        for start in (0, 1)
    ], axis=1)  # fmt: skip


def squeezed_without_axes(net: Net, x: str) -> str:
    y = net.add("Squeeze", net.add("GlobalAveragePool", x))
    return net.add("Reshape", y, net.ints(1, 8, 1, 1))


def counted(net: Net, x: str) -> str:
    return net.add("Mul", x, net.add("Cast", net.add("Size", x), to=TensorProto.FLOAT))


def measured(net: Net, x: str) -> str:
    count = net.add("Gather", net.add("Shape", x), net.constant(np.int64(1)))
    return net.add("Div", x, net.add("Cast", count, to=TensorProto.FLOAT))


def measured_inside(net: Net, x: str) -> str:
    shape = net.add("Shape", x)
    nodes = [
        helper.make_node("ReduceProd", [shape], ["product"], keepdims=0),
        helper.make_node("Cast", ["product"], ["yes"], to=TensorProto.FLOAT),
    ]
    return net.add("Mul", x, nested(net, nodes))


def read_inside(net: Net, x: str) -> str:
    nodes = [helper.make_node("ReduceMean", [x], ["yes"], keepdims=0)]
    return net.add("Mul", x, nested(net, nodes))


def nested(net: Net, nodes: list[onnx.NodeProto]) -> str:
    """If (always): ``nodes``, which make ``yes``; else one."""
    out = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("yes", "no")]
    other = [helper.make_node("Constant", [], ["no"], value_float=1.0)]
    then = helper.make_graph(nodes, "then", [], out[:1])
    otherwise = helper.make_graph(other, "else", [], out[1:])
    small = net.add("Greater", net.add("ReduceMean", "x", keepdims=0), net.constant(np.float32(-9)))
    return str(net.add("If", small, then_branch=then, else_branch=otherwise))


def resized_by_another(net: Net, x: str) -> str:
    """Its size is computed from the shape of another tensor, channels and all."""
    other = net.conv("x", 3, 8)
    shape = net.add("Slice", net.add("Shape", other), net.ints(0), net.ints(2))
    sizes = net.add("Concat", shape, net.ints(6, 6), axis=0)
    return net.add("Add", net.add("Resize", x, "", "", sizes, mode="nearest"), other)


def channels_as_indices(net: Net, x: str) -> str:
    y = net.add("Sign", net.add("Relu", net.add("GlobalAveragePool", x)))
    y = net.add("Cast", net.add("Flatten", y), to=TensorProto.INT64)
    y = net.add("Gather", net.weight(2, 3), y)
    return net.add("Unsqueeze", y, net.ints(3))


def whole_numbers(net: Net, x: str) -> str:
    y = net.add("Cast", net.add("Mul", x, net.constant(np.float32(9))), to=TensorProto.INT32)
    y = net.add("Div", y, net.constant(np.array(2, np.int32)))
    return net.add("Cast", y, to=TensorProto.FLOAT)


def batch_into_rows(net: Net, x: str) -> str:
    """What a row holds depends on how many images there are."""
    y = net.add("Reshape", x, net.ints(8, -1))
    return net.add("Reshape", net.add("Transpose", y, perm=[1, 0]), net.ints(-1, 8, 6, 6))


def grouped_transposed(net: Net, x: str) -> str:
    return net.add("ConvTranspose", x, net.weight(8, 4, 1, 1), group=2)


def depth_to_space(net: Net, x: str) -> str:
    y = net.add("DepthToSpace", x, blocksize=2)
    return net.add("SpaceToDepth", y, blocksize=2)


def as_sequence(net: Net, x: str) -> str:
    return net.add("SequenceAt", net.add("SequenceConstruct", x, x), net.constant(np.int64(1)))


STAY = {
    build.__name__: build
    for build in (
        softmax, layer_norm, group_norm, mean_over_channels, matmul_of_two, strided_channels,
        squeezed_without_axes, counted, measured_inside, read_inside, resized_by_another,
        channels_as_indices, whole_numbers, batch_into_rows, as_sequence,
        grouped_transposed, depth_to_space,
    )
}  # fmt: skip


@pytest.mark.parametrize("name", STAY)
def test_what_is_not_followed_stays_and_is_named(name: str):
    net = Net()
    fixed = name == "squeezed_without_axes"
    x = STAY[name](net, first(net))
    model = net.model(net.conv(x, 8, 4), shape=(1 if fixed else "n", 3, 6, 6))
    done = compacted(model)
    assert done.shape("first")[0] == 8
    assert max(done.pinned.values()) >= 4


def test_an_operator_of_another_domain_stays_and_is_named():
    net = Net()
    x = net.add("Gelu", first(net), domain="com.microsoft")
    done = compacted(net.model(net.conv(x, 8, 4), domains=["com.microsoft"]), check=False)
    assert done.shape("first")[0] == 8
    assert done.pinned == {"Gelu": 8}
    (line,) = map(str, done.compaction.unprunable)
    assert line == "8 channels that pass through Gelu (n2) cannot be removed"


def test_graph_outputs_stay():
    net = Net()
    x = first(net)
    done = compacted(net.model(net.conv(x, 8, 4), x))
    assert done.shape("first")[0] == 8
    net = Net()
    x = first(net)
    done = compacted(net.model(net.conv(x, 8, 4), net.add("Shape", x)))
    assert done.shape("first")[0] == 8


def test_a_size_that_another_tensor_says_stays_open():
    net = Net()
    other = net.conv("x", 3, 8)
    x = net.add("Expand", net.add("GlobalMaxPool", first(net)), net.add("Shape", other))
    end = net.add("Add", net.conv(x, 8, 4), net.conv(other, 8, 4))
    model = net.model(end, shape=("n", 3, "h", "w"))
    done = compacted(model, shapes=[(1, 3, 6, 6), (2, 3, 9, 5)])
    assert done.pinned == {"Shape": 8, "Expand": 8}


def test_a_dropout_that_drops_is_not_followed():
    net = Net()
    zero, on = net.constant(np.float32(0)), net.constant(np.array(True))
    x = net.add("Dropout", first(net), zero, on)
    done = compacted(net.model(net.conv(x, 8, 4)))
    assert done.pinned == {"Dropout": 8}


def test_the_mask_of_a_dropout_has_the_same_channels():
    net = Net()
    x, mask = net.add("Dropout", first(net), outputs=2)
    other = net.add("Mul", net.conv("x", 3, 8), net.add("Where", mask, net.weight(8, 1, 1), x))
    compacted(net.model(net.add("Add", net.conv(x, 8, 4), net.conv(other, 8, 4))))


def test_a_padding_made_of_channels_keeps_them():
    net = Net()
    x = first(net)
    value = net.add(
        "Squeeze", net.add("GlobalAveragePool", net.conv(x, 8, 1)), net.ints(0, 1, 2, 3)
    )
    y = net.add("Pad", net.conv("x", 3, 8, dead=[1]), net.ints(0, 0, 1, 1, 0, 0, 1, 1), value)
    done = compacted(net.model(net.conv(y, 8, 4), shape=(1, 3, 6, 6)))
    assert "Pad" in done.pinned


def test_a_number_of_channels_that_is_computed_with_keeps_its_value():
    net = Net()
    done = compacted(net.model(net.conv(measured(net, first(net)), 8, 4)))
    assert done.shape("first")[0] == 5
