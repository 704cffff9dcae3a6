"""Linear layers written as MatMul and Add are one Gemm for int8, and mean what they meant."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nnc.exporters.executed.graph import executed_graph
from nnc.exporters.passes import INT8, PASSES, linear_gemm, run_passes

from ..conftest import run_onnx

node = helper.make_node
GEMM = {"Gemm": 1}
ROWS = {"Gemm": 1, "Reshape": 2}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.4, shape).astype(np.float32)


def network(nodes, constants, shape, *, opset=20):
    """``nodes`` from x of ``shape`` to y; weights ``w`` for 16 inputs and 6 outputs, bias ``b``."""
    constants = {"w": normal(16, 6, seed=1), "b": normal(6, seed=2), **constants}
    used = {name for each in nodes for name in each.input}
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * len(shape))],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in constants.items()
            if name in used
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def applied(model, x):
    """How many nodes of each kind there are after the pass; the outputs must be what they were."""
    before = run_onnx(model, x)
    result = linear_gemm.apply(model)
    kinds = Counter(each.op_type for each in model.graph.node)
    assert result.changed == ("Gemm" in kinds)
    onnx.checker.check_model(model, full_check=True)
    after = run_onnx(model, x)
    assert after.shape == before.shape
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)
    return kinds


PRODUCT = node("MatMul", ["x", "w"], ["m"], "layer")
LINEAR = [PRODUCT, node("Add", ["m", "b"], ["y"])]
RESIDUAL = [PRODUCT, node("Gelu", ["m"], ["g"]), node("Add", ["g", "m"], ["y"])]


@pytest.mark.parametrize(
    ("nodes", "shape", "constants", "kinds"),
    [
        (LINEAR, [4, 16], {}, GEMM),
        (LINEAR, ["n", 16], {}, GEMM),
        ([PRODUCT, node("Add", ["b", "m"], ["y"])], ["n", 16], {"b": normal(1, 6)}, GEMM),
        (LINEAR, [2, 5, 16], {}, ROWS),
        (LINEAR, [2, 5, 16], {"b": normal(1, 1, 6)}, ROWS),
        (LINEAR, [2, 3, 5, 16], {}, ROWS),
        # A matrix with no bias of its own is a Gemm as well, whatever is added.
        (RESIDUAL, ["n", 16], {}, {"Gemm": 1, "Gelu": 1, "Add": 1}),
        (LINEAR, [4, 16], {"b": normal(4, 6)}, {"Gemm": 1, "Add": 1}),
        (LINEAR, [4, 16], {"b": normal(1)}, {"Gemm": 1, "Add": 1}),
        # ONNX Runtime makes no Gemm of these.
        (LINEAR, ["n", 5, 16], {}, {"MatMul": 1, "Add": 1}),
        (RESIDUAL, [2, 5, 16], {}, {"MatMul": 1, "Gelu": 1, "Add": 1}),
        (LINEAR, [2, 5, 16], {"b": normal(5, 6)}, {"MatMul": 1, "Add": 1}),
        (LINEAR, [2, 5, 16], {"w": normal(2, 16, 6)}, {"MatMul": 1, "Add": 1}),
    ],
)
def test_where_a_layer_is_one(nodes, shape, constants, kinds):
    model = network(nodes, constants, shape)
    sizes = [7 if isinstance(size, str) else size for size in shape]
    assert applied(model, normal(*sizes, seed=9)) == kinds


def test_layers_that_read_one_tensor_share_its_rows():
    nodes = [
        node("MatMul", ["x", "w"], ["m"], "one"),
        node("MatMul", ["x", "v"], ["k"], "two"),
        node("Add", ["k", "c"], ["q"]),
        node("Add", ["m", "b"], ["p"]),
        node("Mul", ["p", "q"], ["y"]),
    ]
    model = network(nodes, {"v": normal(16, 6, seed=3), "c": normal(6, seed=4)}, [2, 5, 16])
    assert applied(model, normal(2, 5, 16)) == {"Gemm": 2, "Reshape": 3, "Mul": 1}


def test_weights_that_two_layers_share():
    nodes = [
        node("MatMul", ["x", "w"], ["m"], "one"),
        node("Add", ["m", "b"], ["p"]),
        node("MatMul", ["p", "w"], ["k"], "two"),
        node("Add", ["k", "b"], ["y"]),
    ]
    square = {"w": normal(16, 16), "b": normal(16)}
    model = network(nodes, square, [2, 5, 16])
    assert applied(model, normal(2, 5, 16)) == {"Gemm": 2, "Reshape": 4}


@pytest.mark.parametrize(
    ("activation", "last"),
    [
        (node("Relu", ["s"], ["y"]), "Reshape"),
        (node("Clip", ["s", "", "six"], ["y"]), "Reshape"),
        (node("Gelu", ["s"], ["y"]), "Gelu"),
    ],
)
def test_no_reshape_comes_between_a_layer_and_its_activation(activation, last):
    nodes = [PRODUCT, node("Add", ["m", "b"], ["s"]), activation]
    model = network(nodes, {"six": np.float32(0.5)}, [2, 5, 16])
    assert applied(model, normal(2, 5, 16)) == {**ROWS, activation.op_type: 1}
    assert model.graph.node[-1].op_type == last


def test_a_sum_that_is_an_output_too_keeps_its_name():
    nodes = [PRODUCT, node("Add", ["m", "b"], ["s"]), node("Relu", ["s"], ["y"])]
    model = network(nodes, {}, [2, 5, 16])
    model.graph.output.append(helper.make_tensor_value_info("s", TensorProto.FLOAT, [2, 5, 6]))
    assert applied(model, normal(2, 5, 16)) == {**ROWS, "Relu": 1}
    assert [value.name for value in model.graph.output] == ["y", "s"]


def test_a_layer_keeps_the_name_of_its_product():
    model = network(LINEAR, {}, [2, 5, 16])
    assert linear_gemm.apply(model).changes == ("layer",)
    assert [each.name for each in model.graph.node if each.op_type == "Gemm"] == ["layer"]


def test_names_that_are_taken():
    nodes = [*LINEAR[:1], node("Add", ["m", "x/rows"], ["y"])]
    model = network(nodes, {"x/rows": normal(6)}, [2, 5, 16])
    assert applied(model, normal(2, 5, 16)) == ROWS


@pytest.mark.parametrize("shape", [[4, 16], [2, 5, 16]])
def test_in_float_onnx_runtime_executes_what_it_did(shape):
    model = network(
        [PRODUCT, node("Add", ["m", "b"], ["s"]), node("Gelu", ["s"], ["y"])], {}, shape
    )
    before = executed_graph(model).operators
    assert linear_gemm.apply(model).changed
    assert executed_graph(model).operators == before


def test_it_is_for_int8_on_cpus_alone():
    assert "linear_gemm" in INT8
    model = network(LINEAR, {}, [2, 5, 16])
    run_passes(model, PASSES)
    assert [each.op_type for each in model.graph.node] == ["MatMul", "Add"]


def test_a_product_of_nothing_stays():
    nodes = [node("MatMul", ["x", "none"], ["m"]), node("Add", ["m", "b"], ["y"])]
    model = network(nodes, {"none": np.zeros((0, 6), np.float32)}, [2, 0])
    assert not linear_gemm.apply(model).changed
