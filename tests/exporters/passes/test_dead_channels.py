"""Removing dead channels leaves the outputs as they were, and removes what it should."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from nnc.exporters.passes import dead_channels

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
    seed: int = 0,
) -> onnx.ModelProto:
    """Conv -> middle layers -> Conv or (Flatten) Gemm, with chosen filters set to zero."""
    random = np.random.default_rng(seed)

    def values(*shape: int) -> np.ndarray:
        return random.normal(0.3, 1, shape).astype(np.float32)

    first, first_bias = values(FEATURES, 3, 3, 3), values(FEATURES)
    first[dead] = 0
    first_bias[dead] = constant
    constants = {"first": first, "first_bias": first_bias}
    nodes = [helper.make_node("Conv", ["x", "first", "first_bias"], ["t0"], pads=[1] * 4)]
    tensor = "t0"
    size = 6
    for index, op in enumerate(middle):
        inputs, attributes = [tensor], {}
        if op == "Clip":
            constants |= {"low": np.float32(0), "high": np.float32(6)}
            inputs += ["low", "high"]
        elif op in ("MaxPool", "AveragePool"):
            attributes = {"kernel_shape": [2, 2], "strides": [2, 2]}
            size //= 2
        elif op == "Depthwise":
            op = "Conv"
            weight, shift = values(FEATURES, 1, 3, 3), values(FEATURES)
            weight[list(dead_depthwise)] = 0
            constants |= {f"dw{index}": weight, f"dw_bias{index}": shift}
            inputs += [f"dw{index}", f"dw_bias{index}"]
            attributes = {"group": FEATURES, "pads": [1] * 4}
        tensor = f"m{index}"
        nodes.append(helper.make_node(op, inputs, [tensor], **attributes))
    if "Flatten" in middle:
        last = values(5, FEATURES * size * size)
        last.reshape(5, FEATURES, -1)[:, list(unread)] = 0
        attributes = {"transB": 1}
        output: list[int | str] = ["n", 5]
    else:
        last = values(5, FEATURES, 3, 3)
        last[:, list(unread)] = 0
        attributes = {"pads": [pads] * 4}
        output = ["n", 5, size - 2 + 2 * pads, size - 2 + 2 * pads]
    constants["last"] = last
    names = [tensor, "last"]
    if bias:
        constants["last_bias"] = values(5)
        names.append("last_bias")
    nodes.append(
        helper.make_node("Gemm" if "Flatten" in middle else "Conv", names, ["y"], **attributes)
    )
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def outputs(model: onnx.ModelProto) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(9).normal(size=(2, 3, 6, 6)).astype(np.float32)
    return session.run(None, {"x": images})[0]


def kept_channels(model: onnx.ModelProto) -> int:
    return next(t.dims[0] for t in model.graph.initializer if t.name == "first")


def assert_same_after(model: onnx.ModelProto) -> None:
    before = outputs(model)
    dead_channels.apply(model)
    np.testing.assert_allclose(outputs(model), before, rtol=1e-4, atol=1e-4)


CASES = {
    "zero filters": ({"dead": list(range(8))}, 8),
    "too few to matter": ({"dead": list(range(7))}, 16),
    "rounded up to 8": ({"dead": list(range(9))}, 8),
    "all dead": ({"dead": list(range(16))}, 1),
    "constant into bias": ({"dead": list(range(8)), "constant": 2.0}, 8),
    "constant, no bias": ({"dead": list(range(8)), "constant": 2.0, "bias": False}, 8),
    "constant cut by relu": ({"dead": list(range(8)), "constant": -2.0, "pads": 1}, 8),
    "constant before padding": ({"dead": list(range(8)), "constant": 2.0, "pads": 1}, 16),
    "clip": ({"dead": list(range(8)), "constant": 9.0, "middle": ("Clip",)}, 8),
    "nobody reads": ({"dead": [], "unread": tuple(range(8))}, 8),
    "depthwise": ({"dead": list(range(8)), "middle": ("Relu", "Depthwise", "Relu")}, 8),
    "depthwise cuts": (
        {"dead": [], "middle": ("Relu", "Depthwise"), "dead_depthwise": tuple(range(8))},
        8,
    ),
    "constant into padded depthwise": (
        {"dead": list(range(8)), "constant": 1.0, "middle": ("Relu", "Depthwise")},
        16,
    ),
    "pool, flatten, gemm": (
        {"dead": list(range(8)), "constant": 3.0, "middle": ("Relu", "MaxPool", "Flatten")},
        8,
    ),
    "average pool": ({"dead": list(range(8)), "middle": ("Relu", "AveragePool")}, 8),
    "unknown op": ({"dead": list(range(8)), "middle": ("Sigmoid",)}, 16),
}


@pytest.mark.parametrize(("arguments", "expected"), CASES.values(), ids=CASES.keys())
def test_removes_what_is_exact_and_nothing_else(arguments: dict, expected: int) -> None:
    model = chain_model(**arguments)
    assert_same_after(model)
    assert kept_channels(model) == expected


@settings(max_examples=40, deadline=None)
@given(
    dead=st.lists(st.integers(0, FEATURES - 1), unique=True),
    constant=st.sampled_from([0.0, -1.0, 0.5, 7.0]),
    pads=st.integers(0, 1),
    middle=st.lists(
        st.sampled_from(["Relu", "Clip", "MaxPool", "Depthwise", "Identity"]),
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
    assert_same_after(
        chain_model(
            dead=dead,
            constant=constant,
            pads=pads,
            middle=(*middle, *(["Flatten"] if flatten else [])),
            dead_depthwise=tuple(cut),
            unread=tuple(unread),
            bias=bias,
        )
    )


def test_a_tensor_read_twice_is_left_alone() -> None:
    model = chain_model(dead=list(range(8)))
    model.graph.output.append(helper.make_tensor_value_info("m0", TensorProto.FLOAT, None))
    assert not dead_channels.apply(model).changed
