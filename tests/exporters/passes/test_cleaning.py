from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nnc.errors import NncError
from nnc.exporters.passes import (
    PASSES,
    batch_norm,
    constants,
    dead_code,
    flatten,
    names,
    run_passes,
    strip_metadata,
)

from ..conftest import run_onnx, tiny_model

X = np.random.default_rng(1).standard_normal((3, 1, 8, 8)).astype(np.float32)


def kinds(model):
    return [node.op_type for node in model.graph.node]


def model_of(nodes, initialisers, shape=("batch", 4, 6, 6), opset=20, ir_version=8, rank=4):
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * rank)],
        initialisers,
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def array(name, value, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(value, dtype), name)


def test_all_passes_keep_the_outputs():
    model = tiny_model()
    before = run_onnx(model, X)
    results = run_passes(model, (*PASSES, "names"))
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_array_equal(run_onnx(model, X), before)
    assert [result.name for result in results] == [*PASSES, "names"]


def test_running_twice_changes_nothing_more():
    model = tiny_model()
    run_passes(model, (*PASSES, "names"))
    once = model.SerializeToString(deterministic=True)
    assert not any(result.changed for result in run_passes(model, (*PASSES, "names")))
    assert model.SerializeToString(deterministic=True) == once


def test_metadata_is_stripped_everywhere_but_the_users_own():
    model = tiny_model()
    secret = "/home/somebody/model.py"
    model.doc_string = model.graph.doc_string = secret
    model.graph.metadata_props.add(key="trace", value=secret)
    for item in (model.graph.node[0], model.graph.input[0], model.graph.initializer[0]):
        item.doc_string = secret
        item.metadata_props.add(key="trace", value=secret)
    model.graph.node[0].attribute[0].doc_string = secret
    value = helper.make_tensor_value_info("a", TensorProto.FLOAT, None)
    value.metadata_props.add(key="trace", value=secret)
    model.graph.value_info.append(value)
    function = helper.make_function("own", "F", ["a"], ["b"], [], [helper.make_opsetid("", 20)])
    function.doc_string = secret
    model.functions.append(function)
    model.metadata_props.add(key="pkg.torch.trace", value=secret)
    model.metadata_props.add(key="author", value="somebody")
    assert strip_metadata.apply(model).changed
    assert secret.encode() not in model.SerializeToString()
    assert [(p.key, p.value) for p in model.metadata_props] == [("author", "somebody")]


def test_constants_become_initialisers_and_weights_are_no_inputs():
    model = model_of(
        [
            helper.make_node("Constant", [], ["two"], value_float=2.0),
            helper.make_node("Constant", [], ["w"], value=array("", np.ones((4, 1, 1)))),
            helper.make_node("Mul", ["x", "two"], ["z"]),
            helper.make_node("Mul", ["z", "w"], ["v"]),
            helper.make_node("Add", ["v", "b"], ["y"]),
        ],
        [array("b", 1.0)],
        ir_version=3,
    )
    model.graph.input.append(helper.make_tensor_value_info("b", TensorProto.FLOAT, []))
    x = np.ones((1, 4, 6, 6), np.float32)
    before = run_onnx_first(model, x)
    constants.apply(model)
    assert kinds(model) == ["Mul", "Mul", "Add"]
    assert [value.name for value in model.graph.input] == ["x"]
    np.testing.assert_array_equal(run_onnx(model, x), before)


def run_onnx_first(model, x):
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(model).run(None, {"x": x})[0]


@pytest.mark.parametrize("bias", [True, False])
def test_batch_norm_is_folded(bias):
    rng = np.random.default_rng(0)
    stats = [array(n, rng.uniform(0.5, 2, 8)) for n in ("scale", "shift", "mean", "var")]
    inputs = ["x", "w", "c"] if bias else ["x", "w"]
    model = model_of(
        [
            helper.make_node("Conv", inputs, ["z"], "conv"),
            helper.make_node("BatchNormalization", ["z", "scale", "shift", "mean", "var"], ["y"]),
        ],
        [array("w", rng.normal(size=(8, 4, 3, 3))), array("c", rng.normal(size=8)), *stats],
    )
    x = rng.standard_normal((2, 4, 6, 6)).astype(np.float32)
    before = run_onnx(model, x)
    assert batch_norm.apply(model).changed
    dead_code.apply(model)
    onnx.checker.check_model(model)
    assert kinds(model) == ["Conv"]
    np.testing.assert_allclose(run_onnx(model, x), before, rtol=1e-4, atol=1e-4)


def test_batch_norm_behind_a_shared_convolution_stays():
    stats = [array(n, np.full(8, 2.0)) for n in ("scale", "shift", "mean", "var")]
    model = model_of(
        [
            helper.make_node("Conv", ["x", "w"], ["z"]),
            helper.make_node("BatchNormalization", ["z", "scale", "shift", "mean", "var"], ["n"]),
            helper.make_node("Add", ["z", "n"], ["y"]),
        ],
        [array("w", np.ones((8, 4, 1, 1))), *stats],
    )
    assert not batch_norm.apply(model).changed


@pytest.mark.parametrize(
    ("target", "zero", "expected"),
    [
        ([-1, 4], 1, True),
        ([-1, 4], 0, True),
        ([0, -1], 0, True),
        ([0, -1], 1, False),
        ([2, -1], 0, False),
        ([-1, 2], 0, False),
    ],
)
def test_reshape_of_a_pooled_tensor(target, zero, expected):
    model = model_of(
        [
            helper.make_node("GlobalAveragePool", ["x"], ["p"]),
            helper.make_node("Reshape", ["p", "shape"], ["y"], allowzero=zero),
        ],
        [array("shape", target, np.int64)],
        rank=2,
    )
    assert flatten.apply(model).changed == expected
    assert kinds(model)[-1] == ("Flatten" if expected else "Reshape")
    if expected:
        x = np.arange(288, dtype=np.float32).reshape(2, 4, 6, 6)
        np.testing.assert_allclose(run_onnx(model, x), x.mean((2, 3)), rtol=1e-5)


def test_dead_code():
    model = model_of(
        [
            helper.make_node("Identity", ["x"], ["i"]),
            helper.make_node("Relu", ["i"], ["r"]),
            helper.make_node("Sigmoid", ["r"], ["unread"]),
            helper.make_node("Exp", ["unread"], ["unread too"]),
            helper.make_node("Add", ["r", "one"], ["a"]),
            helper.make_node("Identity", ["a"], ["y"]),
        ],
        [array("one", 1.0), array("unused", 2.0)],
    )
    x = np.ones((1, 4, 6, 6), np.float32)
    before = run_onnx(model, x)
    assert dead_code.apply(model).changed
    onnx.checker.check_model(model)
    assert kinds(model) == ["Relu", "Add"]
    assert [t.name for t in model.graph.initializer] == ["one"]
    np.testing.assert_array_equal(run_onnx(model, x), before)


def test_identity_between_input_and_output_stays():
    model = model_of([helper.make_node("Identity", ["x"], ["y"])], [])
    assert not dead_code.apply(model).changed
    assert kinds(model) == ["Identity"]


def test_names_follow_the_parameters():
    model = tiny_model()
    for index, node in enumerate(model.graph.node):
        node.name = f"node_{index}"
    names.apply(model)
    assert [node.name for node in model.graph.node] == [
        "a",
        "a/relu",
        "a/maxpool",
        "d",
        "d/clip",
        "a/add",
        "a/globalaveragepool",
        "a/flatten",
        "fc",
    ]
    assert {"a.weight", "fc.bias"} <= {t.name for t in model.graph.initializer}


def test_a_failing_pass_is_named(monkeypatch):
    def broken(model):
        raise ValueError("boom")

    monkeypatch.setattr(dead_code, "apply", broken)
    with pytest.raises(NncError, match="graph pass 'dead_code' failed: boom"):
        run_passes(tiny_model())
