"""What an exporter stores once hinders no removal, and nothing is found by a second one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnc.exporters.channels.sharing import equal_as_one, separate, shared_constants
from nnc.exporters.onnx_compact import compact_file
from nnc.runtimes.onnx_model.files import save_model

from .building import Net, compacted, parameters

F = np.float32


def layer(net: Net, x: str, into: int, out: int, bias: str, *, dead: object = (), name: str) -> str:
    weight = net.weight(out, into, 3, 3, name=name, dead=dead)
    return str(net.add("Relu", net.add("Conv", x, weight, bias, pads=[1] * 4)))


def shared_biases(*, by_identity: bool) -> onnx.ModelProto:
    """Three layers whose biases are one tensor of zeros."""
    net = Net()
    bias = net.constant(np.zeros(8, F), "bias")

    def handed_on() -> str:
        return str(net.add("Identity", bias)) if by_identity else bias

    x = layer(net, "x", 3, 8, handed_on(), dead=[0, 1], name="one")
    x = layer(net, x, 8, 8, handed_on(), dead=[2, 3, 4], name="two")
    x = layer(net, x, 8, 8, bias, dead=[5], name="three")
    return net.model(net.head(x, 8))


def residual() -> onnx.ModelProto:
    """Two blocks around sums, all biases and batch-norm shifts one tensor."""
    net = Net()
    zeros = net.constant(np.zeros(8, F), "zeros")
    ones = net.constant(np.ones(8, F), "ones")
    x = layer(net, "x", 3, 8, zeros, dead=[0, 1, 2], name="stem")
    for name in ("one", "two"):
        y = layer(net, x, 8, 8, net.add("Identity", zeros), dead=[3, 4], name=f"{name}.a")
        y = net.add("Conv", y, net.weight(8, 8, 1, 1, name=f"{name}.b", dead=[0, 1, 2, 6]))
        y = net.add("BatchNormalization", y, ones, net.add("Identity", zeros), zeros, ones)
        x = net.add("Relu", net.add("Add", x, y))
    return net.model(net.head(x, 8))


def shared_weight(unread: tuple[int, ...] = (5, 6)) -> onnx.ModelProto:
    """A large weight that two layers use, of which different channels are dead."""
    net = Net()
    weight = net.weight(8, 8, 3, 3, name="shared")
    one = layer(net, "x", 3, 8, net.constant(np.zeros(8, F)), dead=[0, 1], name="one")
    two = layer(net, "x", 3, 8, net.constant(np.zeros(8, F)), dead=[2], name="two")
    left = net.add("Conv", one, weight, pads=[1] * 4)
    right = net.add("Conv", two, weight, pads=[1] * 4)
    last = net.weight(4, 8, 1, 1, dead=unread, axis=1)
    return net.model(net.add("Conv", left, last), net.add("Conv", right, net.weight(4, 8, 1, 1)))


def used_by_two(*, equal: bool) -> onnx.ModelProto:
    """A weight that two layers use, so that taking its dead channels out of both keeps it one."""
    net = Net()
    weight = net.weight(8, 3, 3, 3, name="shared", dead=[0, 1, 2])
    ends = []
    for index in range(2):
        x = net.add("Relu", net.add("Conv", "x", weight, pads=[1] * 4))
        ends.append(net.add("Conv", x, net.weight(4, 8, 1, 1, dead=[] if equal else [index])))
    return net.model(*ends)


GRAPHS: dict[str, Callable[[], onnx.ModelProto]] = {
    "shared biases": lambda: shared_biases(by_identity=False),
    "biases by Identity": lambda: shared_biases(by_identity=True),
    "residual": residual,
    "shared weight": lambda: shared_weight(unread=(0, 1, 2, 3, 4, 5)),
    "weight of two": lambda: used_by_two(equal=True),
}


@pytest.mark.parametrize("build", GRAPHS.values(), ids=GRAPHS)
def test_a_second_compaction_leaves_the_bytes(
    build: Callable[[], onnx.ModelProto], tmp_path: Path
) -> None:
    save_model(build(), tmp_path / "model.onnx")
    first = compact_file(tmp_path / "model.onnx", tmp_path / "once.onnx")
    second = compact_file(tmp_path / "once.onnx", tmp_path / "twice.onnx")
    assert first.after.parameters < first.before.parameters
    assert first.after.size_bytes < first.before.size_bytes
    assert second.removed == ()
    assert (tmp_path / "twice.onnx").read_bytes() == (tmp_path / "once.onnx").read_bytes()


@pytest.mark.parametrize("by_identity", [False, True])
def test_shared_biases_tie_no_channels_together(by_identity: bool) -> None:
    done = compacted(shared_biases(by_identity=by_identity))
    assert done.shape("one") == (6, 3, 3, 3)
    assert done.shape("two") == (5, 6, 3, 3)
    assert done.shape("three") == (7, 5, 3, 3)
    assert "Identity" not in done.operators


def test_a_sum_loses_what_is_dead_on_both_sides() -> None:
    done = compacted(residual())
    assert done.shape("stem")[0] == 5
    assert done.shape("one.a") == (6, 5, 3, 3)
    assert done.shape("two.b") == (5, 6, 1, 1)


def test_a_large_weight_is_not_stored_twice_to_lose_a_little() -> None:
    model = shared_weight()
    done = compacted(model)
    assert len([t for t in done.model.graph.initializer if tuple(t.dims)[2:] == (3, 3)]) == 3
    assert done.shape("shared") == (8, 8, 3, 3)


def test_a_large_weight_is_stored_twice_where_that_makes_the_file_smaller() -> None:
    done = compacted(shared_weight(unread=(0, 1, 2, 3, 4, 5)))
    assert parameters(done.model) < parameters(shared_weight())
    assert done.shape("one")[0] == 6


def test_a_weight_that_loses_the_same_for_all_stays_one() -> None:
    done = compacted(used_by_two(equal=True))
    assert done.shape("shared") == (5, 3, 3, 3)
    assert [tuple(t.dims) for t in done.model.graph.initializer].count((5, 3, 3, 3)) == 1


@settings(max_examples=25, deadline=None)
@given(
    dead=st.lists(st.lists(st.integers(0, 7), max_size=7, unique=True), min_size=2, max_size=4),
    value=st.sampled_from([0.0, 0.5]),
    weights=st.booleans(),
)
def test_random_networks_that_share(dead: list[list[int]], value: float, weights: bool) -> None:
    net = Net()
    bias = net.constant(np.full(8, value, F), "bias")
    shared = net.weight(8, 8, 3, 3, name="shared", dead=dead[0])
    x = layer(net, "x", 3, 8, bias, dead=dead[0], name="first")
    for index, channels in enumerate(dead):
        weight = shared
        if not weights:
            weight = net.weight(8, 8, 3, 3, name=f"w{index}.weight", dead=channels)
        given = net.add("Identity", bias) if index % 2 else bias
        x = net.add("Relu", net.add("Conv", x, weight, given, pads=[1] * 4))
    # Where a whole region is dead, what is left of it may let more go.
    compacted(net.model(net.head(x, 8)), settled=all(len(one) < 4 for one in dead) and not value)


def test_separate_gives_a_copy_to_each_reader_but_the_first() -> None:
    model = shared_biases(by_identity=False)
    assert shared_constants(model) == {"bias": True}
    copies = separate(model, ["bias"])
    assert set(copies.values()) == {"bias"}
    read = [node.input[2] for node in model.graph.node if node.op_type == "Conv"]
    assert read == ["bias", *copies]
    equal_as_one(model, copies)
    assert {node.input[2] for node in model.graph.node if node.op_type == "Conv"} == {"bias"}
    assert [t.name for t in model.graph.initializer].count("bias") == 1
    assert not set(copies) & {t.name for t in model.graph.initializer}


def test_tables_of_text_are_one_where_they_say_the_same_alone() -> None:
    net = Net()
    net.add("Relu", "x")
    tables = {"a": ["cat", "dog"], "b": ["cat", "dog"], "c": ["bat", "cow"]}
    model = net.model(net.head(net.add("Relu", "x"), 3))
    for name, words in tables.items():
        model.graph.initializer.append(
            onnx.helper.make_tensor(name, onnx.TensorProto.STRING, [2], [w.encode() for w in words])
        )
    equal_as_one(model, set(tables))
    left = {one.name for one in model.graph.initializer} & set(tables)
    assert left in ({"a", "c"}, {"b", "c"})
