"""Parts of a tensor that are only put beside others again may go as a whole."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest

from nnc.exporters.channels import compact
from nnc.exporters.passes import SHAPING, run_passes

from .building import SIDE, Net, compacted, parameters, zero_groups


def split(net: Net, x: str) -> list[str]:
    if net.opset < 13:
        parts = net.add("Split", x, outputs=3, axis=1, split=[3, 1, 4])
    else:
        parts = net.add("Split", x, net.ints(3, 1, 4), outputs=3, axis=1)
    return list(parts)


def sliced(net: Net, x: str) -> list[str]:
    return [
        net.add("Slice", x, net.ints(start), net.ints(end), net.ints(1))
        for start, end in ((0, 3), (3, 4), (4, 8))
    ]


@pytest.mark.parametrize(
    ("build", "opset"), [(split, 18), (split, 11), (sliced, 18)], ids=["Split", "old", "Slice"]
)
@pytest.mark.parametrize(
    ("dead", "left"), [([0, 1, 2, 5], 4), ([3, 4], 6), ([0, 1, 2, 3, 6], 3), ([4, 5, 6, 7], 4)]
)
def test_a_dead_part_leaves(
    build: Callable[[Net, str], list[str]], opset: int, dead: list[int], left: int
) -> None:
    net = Net(opset=opset)
    parts = build(net, net.conv("x", 3, 8, 3, dead=dead, name="first"))
    y = net.add("Concat", parts[2], net.conv("x", 3, 2), parts[0], parts[1], axis=1)
    done = compacted(net.model(net.conv(y, 10, 4)))
    assert done.shape("first")[0] == left
    assert done.compaction.zeroed == ()


def test_a_part_and_its_concat_alone_leave_no_trace() -> None:
    net = Net()
    parts = split(net, net.conv("x", 3, 8, 3, dead=[0, 1, 2, 3], name="first"))
    y = net.add("Concat", *parts, axis=1)
    done = compacted(net.model(net.conv(y, 8, 4)))
    assert done.shape("first")[0] == 4
    assert done.operators == ["Conv", "Conv"]


def test_a_part_that_something_else_reads_keeps_a_channel() -> None:
    net = Net()
    parts = split(net, net.conv("x", 3, 8, 3, dead=[0, 1, 2], name="first"))
    y = net.add("Concat", *parts, net.add("Sigmoid", parts[0]), axis=1)
    done = compacted(net.model(net.conv(y, 11, 4, 3)))
    assert done.shape("first")[0] >= 6


def units(seed: int) -> onnx.ModelProto:
    """Two ShuffleNet units with a split, a branch and a shuffle each, and a layer behind them."""
    net = Net(seed)
    left, right = net.conv("x", 3, 12, 3), net.conv("x", 3, 12, 3)
    for _ in range(3):
        x = net.add("Concat", left, right, axis=1)
        x = net.add("Reshape", x, net.ints(-1, 2, 12, SIDE, SIDE))
        x = net.add("Transpose", x, perm=[0, 2, 1, 3, 4])
        x = net.add("Reshape", x, net.ints(-1, 24, SIDE, SIDE))
        left, right = net.add("Split", x, net.ints(12, 12), outputs=2, axis=1)
        right = net.add("Relu", net.conv(right, 12, 16))
        right = net.add("Relu", net.conv(right, 16, 12, 3))
    return net.model(net.conv(net.add("Concat", left, right, axis=1), 24, 10))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("multiple", [1, 4, 8])
@pytest.mark.parametrize("seed", [0, 1])
def test_before_and_after_shuffles_are_compiled_away_as_much_leaves(
    share: float, multiple: int, seed: int
) -> None:
    first = units(seed)
    zero_groups(first, share, seed)
    second = onnx.ModelProto()
    second.CopyFrom(first)
    compact(first, round_to=multiple)
    run_passes(first, SHAPING)
    run_passes(second, SHAPING)
    assert "Transpose" not in {node.op_type for node in second.graph.node}
    compacted(second, round_to=multiple)
    assert parameters(first) == parameters(second)


def test_the_dead_that_come_back_are_the_cheapest() -> None:
    """Two dead filters are read by a wide layer, two by a narrow one."""
    net = Net()
    x = net.conv("x", 3, 8, dead=[0, 1, 6, 7], name="first")
    wide, narrow = net.add("Split", x, net.ints(4, 4), outputs=2, axis=1)
    y = net.add("Concat", net.conv(wide, 4, 20, name="wide"), net.conv(narrow, 4, 2), axis=1)
    done = compacted(net.model(net.conv(y, 22, 3)), round_to=3)
    assert done.shape("first")[0] == 6
    assert done.shape("wide")[1] == 2
