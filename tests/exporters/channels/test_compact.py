"""Removing dead channels leaves the outputs as they were, and removes what it should."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from .building import Net, compacted

FEATURES = 16


def chain_model(
    *,
    dead: list[int],
    constant: float = 0.0,
    pads: int = 0,
    middle: tuple[str, ...] = ("Relu",),
    dead_depthwise: tuple[int, ...] = (),
    unread: tuple[int, ...] = (),
    bias: bool = True,
) -> onnx.ModelProto:
    """Conv -> middle layers -> Conv or (Flatten) Gemm, with chosen filters set to zero."""
    net = Net()
    first_bias = net.random.normal(0.3, 1, FEATURES).astype(np.float32)
    first_bias[dead] = constant
    first = net.weight(FEATURES, 3, 3, 3, name="first", dead=dead)
    x, size = net.add("Conv", "x", first, net.constant(first_bias), pads=[1] * 4), 6
    for op in middle:
        if op == "Clip":
            x = net.add("Clip", x, net.constant(np.float32(0)), net.constant(np.float32(6)))
        elif op in ("MaxPool", "AveragePool"):
            x, size = net.add(op, x, kernel_shape=[2, 2], strides=[2, 2]), size // 2
        elif op == "Depthwise":
            weight = net.weight(FEATURES, 1, 3, 3, dead=dead_depthwise)
            x = net.add("Conv", x, weight, net.weight(FEATURES), group=FEATURES, pads=[1] * 4)
        elif op == "Softmax":
            x = net.add("Softmax", x, axis=1)
        else:
            x = net.add(op, x)
    biases = [net.weight(5)] if bias else []
    if "Flatten" in middle:
        last = net.weight(5, FEATURES, size, size, dead=unread, axis=1)
        flat = numpy_helper.to_array(net.tensors[-1]).reshape(5, -1)
        net.tensors[-1].CopyFrom(numpy_helper.from_array(flat, last))
        return net.model(net.add("Gemm", x, last, *biases, transB=1))
    last = net.weight(5, FEATURES, 3, 3, dead=unread, axis=1)
    return net.model(net.add("Conv", x, last, *biases, pads=[pads] * 4))


HALF = list(range(8))

CASES = {
    "zero filters": ({"dead": HALF}, 8),
    "too few to matter": ({"dead": list(range(7))}, 16),
    "rounded up to 8": ({"dead": list(range(9))}, 8),
    "all dead": ({"dead": list(range(16))}, 8),
    "constant into bias": ({"dead": HALF, "constant": 2.0}, 8),
    "constant, no bias": ({"dead": HALF, "constant": 2.0, "bias": False}, 8),
    "constant cut by relu": ({"dead": HALF, "constant": -2.0, "pads": 1}, 8),
    "constant before padding": ({"dead": HALF, "constant": 2.0, "pads": 1}, 16),
    "clip": ({"dead": HALF, "constant": 9.0, "middle": ("Clip",)}, 8),
    "nobody reads": ({"dead": [], "unread": tuple(HALF)}, 8),
    "depthwise": ({"dead": HALF, "middle": ("Relu", "Depthwise", "Relu")}, 8),
    "depthwise cuts": (
        {"dead": [], "middle": ("Relu", "Depthwise"), "dead_depthwise": tuple(HALF)},
        8,
    ),
    "constant into padded depthwise": (
        {"dead": HALF, "constant": 1.0, "middle": ("Relu", "Depthwise")},
        16,
    ),
    "pool, flatten, gemm": (
        {"dead": HALF, "constant": 3.0, "middle": ("Relu", "MaxPool", "Flatten")},
        8,
    ),
    "average pool": ({"dead": HALF, "middle": ("Relu", "AveragePool")}, 8),
    "sigmoid": ({"dead": HALF, "middle": ("Sigmoid",)}, 8),
    "sigmoid before padding": ({"dead": HALF, "middle": ("Sigmoid",), "pads": 1}, 16),
    "unknown op": ({"dead": HALF, "middle": ("Softmax",)}, 16),
}


@pytest.mark.parametrize(("arguments", "expected"), CASES.values(), ids=CASES.keys())
def test_removes_what_is_exact_and_nothing_else(arguments: dict, expected: int) -> None:
    assert compacted(chain_model(**arguments), round_to=8).shape("first")[0] == expected


def test_without_rounding_all_dead_filters_leave() -> None:
    done = compacted(chain_model(dead=[1, 3, 4]))
    assert done.shape("first")[0] == 13
    assert [str(layer) for layer in done.compaction.layers] == ["first: 16 to 13 channels"]
    assert done.compaction.spared == 0


def test_what_rounding_spares_is_counted() -> None:
    assert compacted(chain_model(dead=[1, 3, 4]), round_to=4).compaction.spared == 3
    done = compacted(chain_model(dead=[0, 1, 3, 4, 5]), round_to=4)
    assert done.shape("first")[0] == 12
    assert done.compaction.spared == 1


@settings(max_examples=30, deadline=None)
@given(
    dead=st.lists(st.integers(0, FEATURES - 1), unique=True),
    constant=st.sampled_from([0.0, -1.0, 0.5, 7.0]),
    pads=st.integers(0, 1),
    middle=st.lists(
        st.sampled_from(["Relu", "Clip", "MaxPool", "Depthwise", "Identity", "Sigmoid"]),
        max_size=4,
        unique=True,
    ),
    cut=st.lists(st.integers(0, FEATURES - 1), unique=True),
    unread=st.lists(st.integers(0, FEATURES - 1), unique=True),
    flatten=st.booleans(),
    bias=st.booleans(),
)
def test_outputs_never_change(
    dead: list[int],
    constant: float,
    pads: int,
    middle: list[str],
    cut: list[int],
    unread: list[int],
    flatten: bool,
    bias: bool,
) -> None:
    model = chain_model(
        dead=dead,
        constant=constant,
        pads=pads,
        middle=(*middle, *(["Flatten"] if flatten else [])),
        dead_depthwise=tuple(cut),
        unread=tuple(unread),
        bias=bias,
    )
    compacted(model, settled=False)


def test_a_tensor_that_is_an_output_too_is_left_alone() -> None:
    model = chain_model(dead=HALF)
    model.graph.output.append(helper.make_tensor_value_info("t2_0", TensorProto.FLOAT, [None] * 4))
    assert not compacted(model).compaction.changed


def test_matmul_and_add_take_up_constants() -> None:
    net = Net()
    x = net.add("Reshape", "x", net.ints(0, 3, -1))
    x = net.add("Transpose", x, perm=[0, 2, 1])
    x = net.add("MatMul", x, net.weight(3, 8, name="first", dead=[1, 2], axis=1))
    x = net.add("Sigmoid", net.add("Add", x, net.weight(8)))
    x = net.add("Add", net.add("MatMul", x, net.weight(8, 6, name="second")), net.weight(6))
    done = compacted(net.model(net.add("MatMul", net.add("Relu", x), net.weight(6, 5))))
    assert done.shape("first") == (3, 6)
    assert done.shape("second") == (6, 6)
    assert done.operators.count("Add") == 3


@pytest.mark.parametrize("where", ["zero inputs", "zero outputs", "both"])
def test_dead_neurons_leave(where: str) -> None:
    """Neurons of a hidden layer whose outputs nobody reads, or whose inputs are all zero."""
    net = Net()
    x = net.gemm(
        net.add("Flatten", "x"), 108, 12, name="one", dead=[0, 1] if "out" in where else []
    )
    x = net.gemm(net.add("Relu", x), 12, 8, name="two", dead=[3, 4])
    model = net.model(net.gemm(net.add("Relu", x), 8, 5, name="three"))
    if where != "zero outputs":
        tensor = next(t for t in model.graph.initializer if t.name == "two")
        value = numpy_helper.to_array(tensor).copy()
        value[:, [0, 1]] = 0
        tensor.CopyFrom(numpy_helper.from_array(value, "two"))
    done = compacted(model)
    assert done.shape("one") == (10, 108)
    assert done.shape("two") == (6, 10)
    assert done.shape("three") == (5, 6)


@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_fixed_and_open_batches(batch: int | str) -> None:
    net = Net()
    x = net.conv("x", 3, 8, 3, dead=[1, 2], name="first")
    x = net.add("Reshape", x, net.ints(-1 if batch == "n" else int(batch), 8 * 36))
    done = compacted(net.model(net.gemm(x, 288, 5), shape=(batch, 3, 6, 6)))
    assert done.shape("first")[0] == 6


@pytest.mark.parametrize("target", [(0, 0, -1), (0, 8, -1), (-1, 8, 18)])
def test_open_sizes_stay_open(target: tuple[int, ...]) -> None:
    net = Net()
    x = net.conv("x", 3, 8, 3, dead=[1, 2], name="first")
    left, right = net.add("Split", x, axis=3, outputs=2, num_outputs=2)
    x = net.add(
        "Slice", net.add("Add", left, right), net.ints(-1), net.ints(-99), net.ints(2), net.ints(-1)
    )
    x = net.add("Transpose", net.add("Reshape", x, net.ints(*target)), perm=[0, 2, 1])
    model = net.model(net.add("MatMul", x, net.weight(8, 5)), shape=("n", 3, "h", "w"))
    fixed = target[2] == 18
    shapes = [(1, 3, 6, 6)] if fixed else [(1, 3, 6, 6), (4, 3, 8, 10)]
    done = compacted(model, shapes=shapes)
    assert done.shape("first")[0] == (8 if fixed else 6)


def test_a_flip_and_a_slice_with_small_indices() -> None:
    net = Net()
    x = net.conv("x", 3, 8, 3, dead=[0, 2], name="first")
    flip = [net.ints(-1), net.ints(-(2**63)), net.ints(3), net.ints(-1)]
    x = net.add("Slice", x, *flip)
    narrow = [net.constant(np.array([value], np.int32)) for value in (0, 6, 1, 1)]
    x = net.add("Slice", x, *narrow)
    assert compacted(net.model(net.conv(x, 6, 4))).shape("first")[0] == 4


@pytest.mark.parametrize(
    "shape", ["rest left over", "all computed"], ids=["rest left over", "all computed"]
)
def test_reshapes_as_older_exporters_write_them(shape: str) -> None:
    net = Net(opset=11)
    x = net.conv("x", 3, 8, 3, dead=[1, 2], name="first")
    batch = net.add("Gather", net.add("Shape", x), net.constant(np.int64(0)), axis=0)
    rest = net.ints(-1 if shape == "rest left over" else 288)
    target = net.add("Concat", net.add("Unsqueeze", batch, axes=[0]), rest, axis=0)
    x = net.add("Reshape", x, target)
    assert compacted(net.model(net.gemm(x, 288, 5))).shape("first")[0] == 6


def test_half_precision() -> None:
    net = Net(dtype=np.float16)
    x = net.add("HardSigmoid", net.conv("x", 3, 8, 3, dead=[1, 2], name="first"))
    done = compacted(net.model(net.conv(x, 8, 4)), limit=3e-3)
    assert done.shape("first")[0] == 6
    assert {t.data_type for t in done.model.graph.initializer} == {TensorProto.FLOAT16}


def test_double_precision() -> None:
    net = Net(dtype=np.float64)
    x = net.add("Sigmoid", net.gemm(net.add("Flatten", "x"), 108, 8, dead=[1], name="first"))
    done = compacted(net.model(net.gemm(x, 8, 4)), limit=1e-12)
    assert done.shape("first")[0] == 7


def test_quantised_models_pass_unharmed() -> None:
    net = Net()
    x = net.conv("x", 3, 8, 3, dead=[1, 2])
    scale, zero = net.constant(np.float32(0.05)), net.constant(np.int8(0))
    x = net.add("DequantizeLinear", net.add("QuantizeLinear", x, scale, zero), scale, zero)
    filters = net.random.integers(-9, 9, (4, 8, 1, 1)).astype(np.int8)
    filters[:, 3:5] = 0
    weight = net.add("DequantizeLinear", net.constant(filters), scale, zero)
    model = net.model(net.add("Conv", x, weight))
    before = model.SerializeToString(deterministic=True)
    done = compacted(model)
    assert not done.compaction.changed
    assert done.pinned == {"QuantizeLinear": 8}
    assert model.SerializeToString(deterministic=True) == before
