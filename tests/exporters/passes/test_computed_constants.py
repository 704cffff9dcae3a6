"""What is computed from constants is stored, as ONNX Runtime computes it, and within limits."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from nnc.exporters.passes import computed_constants

from ..conftest import run_onnx
from .test_int8_passes import applied, network, node, normal, stored


def remaining(nodes, constants, *, grow=True, **told):
    """The operators left by folding, which must not change a bit of the outputs."""
    model = network(nodes, constants, **told)
    x = normal(2, 3, 8, 8, seed=9)
    before = run_onnx(model, x)
    computed_constants.fold(model, grow=grow)
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_array_equal(run_onnx(model, x), before)
    return [n.op_type for n in model.graph.node]


def test_standardised_weights_are_computed():
    nodes = [
        node("ReduceMean", ["w", "axes"], ["m"]),
        node("Sub", ["w", "m"], ["d"]),
        node("Mul", ["d", "d"], ["s"]),
        node("ReduceMean", ["s", "axes"], ["v"]),
        node("Add", ["v", "eps"], ["e"]),
        node("Sqrt", ["e"], ["r"]),
        node("Div", ["d", "r"], ["u"]),
        node("Conv", ["x", "u"], ["y"]),
    ]
    constants = {"w": normal(4, 3, 3, 3), "axes": np.array([1, 2, 3]), "eps": np.float32(1e-5)}
    assert remaining(nodes, constants) == ["Conv"]
    assert remaining(nodes, constants, grow=False) == ["Conv"]


def test_every_output_of_a_node_is_computed():
    nodes = [
        node("Split", ["w"], ["a", "b"], num_outputs=2),
        node("Conv", ["x", "a"], ["p"]),
        node("Conv", ["x", "b"], ["q"]),
        node("Add", ["p", "q"], ["y"]),
    ]
    assert remaining(nodes, {"w": normal(8, 3, 1, 1)}) == ["Conv", "Conv", "Add"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from(["Abs", "Exp", "Neg", "Sigmoid", "Softplus", "Tanh", "Transpose", "Erf"]),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 99),
)
def test_values_are_those_of_onnx_runtime(kinds, seed):
    nodes = [node(kind, [f"t{i}"], [f"t{i + 1}"]) for i, kind in enumerate(kinds)]
    nodes += [
        node("Mul", [f"t{len(kinds)}", f"t{len(kinds)}"], ["w"]),
        node("Add", ["x", "w"], ["y"]),
    ]
    assert remaining(nodes, {"t0": normal(8, 8, seed=seed)}) == ["Add"]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("Tile", [64, 64]),
        ("Expand", [64, 512, 512]),
        ("ConstantOfShape", [2**20, 2**20]),
        ("ConstantOfShape", [65537]),
    ],
)
def test_what_would_fill_the_file_stays(kind, given):
    inputs = ["s"] if kind == "ConstantOfShape" else ["w", "s"]
    model = network(
        [node(kind, inputs, ["t"]), node("Size", ["t"], ["n"]), node("Add", ["x", "z"], ["y"])],
        {"w": normal(8, 64) if kind == "Tile" else normal(1), "s": np.array(given), "z": normal(1)},
    )
    assert not computed_constants.apply(model).changed


def test_growing_a_little_at_a_time_stops_as_well():
    nodes = [node("Concat", [f"t{i}", f"t{i}"], [f"t{i + 1}"], axis=0) for i in range(12)]
    nodes += [node("ReduceMax", ["t12"], ["m"], keepdims=0), node("Add", ["x", "m"], ["y"])]
    left = remaining(nodes, {"t0": normal(2**15)})
    assert left == ["Concat"] * 10 + ["ReduceMax", "Add"]


def test_a_weight_filled_with_one_number_may_be_large():
    filled = node("ConstantOfShape", ["s"], ["f"])
    shaped = node("Reshape", ["f", "as"], ["w"])
    nodes = [filled, shaped, node("Conv", ["x", "w"], ["c"]), node("ReduceMax", ["c"], ["y"])]
    constants = {"s": np.array([3000, 27]), "as": np.array([3000, 3, 3, 3])}
    assert remaining(nodes, constants) == ["Conv", "ReduceMax"]
    left = remaining(nodes, constants, grow=False)
    assert left == ["ConstantOfShape", "Reshape", "Conv", "ReduceMax"]


def nested(output):
    return helper.make_graph(
        [node("Identity", ["w"], [output])],
        output,
        [],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [4, 3, 1, 1])],
    )


@pytest.mark.parametrize(
    "fixed",
    [
        node("RandomNormalLike", ["w"], ["u"]),
        node("Bernoulli", ["w"], ["u"]),
        node("Dropout", ["w", "half", "yes"], ["u"]),
        node("DequantizeLinear", ["q", "half"], ["u"]),
        node("If", ["yes"], ["u"], then_branch=nested("a"), else_branch=nested("b")),
        node("Own", ["w"], ["u"], domain="own"),
    ],
    ids=lambda one: one.op_type,
)
def test_what_is_not_the_same_each_time_or_not_known_stays(fixed):
    constants = {
        "w": normal(4, 3, 1, 1) ** 2,
        "q": np.ones((4, 3, 1, 1), np.int8),
        "half": np.float32(0.5),
        "yes": np.array(True),
    }
    model = network([fixed, node("Conv", ["x", "u"], ["y"])], constants)
    assert not computed_constants.apply(model).changed


def test_what_onnx_runtime_refuses_stays():
    nodes = [node("Reshape", ["w", "s"], ["u"]), node("Conv", ["x", "u"], ["y"])]
    model = network(nodes, {"w": normal(4), "s": np.array([5])})
    assert not computed_constants.apply(model).changed


def test_an_output_of_the_graph_stays_computed():
    model = network([node("Exp", ["w"], ["y"])], {"w": normal(1, 1, 1, 1)})
    assert not computed_constants.apply(model).changed


def test_a_constant_that_an_input_overrides_is_none():
    model = network([node("Exp", ["w"], ["e"]), node("Add", ["x", "e"], ["y"])], {"w": normal(1)})
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [1]))
    assert not computed_constants.apply(model).changed


HALF = [node("Cast", ["w"], ["u"], to=TensorProto.FLOAT), node("Conv", ["x", "u"], ["y"])]


def test_half_precision_weights_become_float_only_where_the_file_may_grow():
    constants = {"w": normal(64, 3, 5, 5).astype(np.float16)}
    assert remaining(HALF, constants) == ["Conv"]
    assert remaining(HALF, constants, grow=False) == ["Cast", "Conv"]


def test_weights_in_bfloat16_become_float():
    model = network(HALF, {})
    values = normal(4, 3, 1, 1)
    model.graph.initializer.append(
        helper.make_tensor("w", TensorProto.BFLOAT16, values.shape, values.reshape(-1))
    )
    assert applied(computed_constants, model) == {"Conv": 1}
    np.testing.assert_allclose(stored(model, "u"), values, rtol=2**-7)


def test_weights_stored_as_int8_stay_so_where_the_file_is_not_to_grow():
    nodes = [node("Cast", ["w"], ["c"], to=TensorProto.FLOAT), node("Mul", ["c", "s"], ["u"])]
    nodes.append(node("Conv", ["x", "u"], ["y"]))
    constants = {"w": np.ones((8, 3, 4, 4), np.int8), "s": np.float32(0.1)}
    assert remaining(nodes, constants, grow=False) == ["Cast", "Mul", "Conv"]


@pytest.mark.parametrize("grow", [False, True])
def test_a_weight_that_is_used_as_it_is_too_is_not_stored_twice(grow):
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("Transpose", ["w"], ["t"]),
        node("MatMul", ["h", "t"], ["y"]),
    ]
    left = remaining(nodes, {"w": normal(8, 200)}, grow=grow)
    assert left == ["MatMul", "MatMul"] if grow else ["MatMul", "Transpose", "MatMul"]


def test_copies_are_bit_for_bit():
    model = network(
        [node("Identity", ["w"], ["u"]), node("Conv", ["x", "u"], ["y"])], {"w": normal(4, 3, 1, 1)}
    )
    computed_constants.apply(model)
    one, other = (numpy_helper.to_array(tensor) for tensor in model.graph.initializer)
    assert one.tobytes() == other.tobytes()
