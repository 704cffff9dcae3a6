"""The rest of a network in fp16."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nnc.errors import InputError
from nnc.exporters.trt.half import in_half

from ..conftest import run_onnx, sqnr, tiny_model
from .test_qdq import X, both


def types(model):
    return {t.name: t.data_type for t in model.graph.initializer}


@pytest.mark.parametrize("opset", [13, 17, 20])
def test_int8_and_fp16_together_are_close_to_float(opset) -> None:
    prepared, quantised = both(tiny_model(opset=opset), X)
    before = quantised.SerializeToString()
    half = in_half(quantised, "model.onnx")
    onnx.checker.check_model(half, full_check=True)
    assert quantised.SerializeToString() == before
    kinds = types(half)
    assert TensorProto.FLOAT not in kinds.values()
    assert kinds["d.weight_quantized"] == TensorProto.INT8
    for value in (*half.graph.input, *half.graph.output):
        assert value.type.tensor_type.elem_type == TensorProto.FLOAT
    found = run_onnx(half, X)
    assert found.dtype == np.float32
    assert sqnr(run_onnx(prepared, X), found) > 25
    assert sqnr(run_onnx(quantised, X), found) > 45


def test_scales_are_the_same_numbers() -> None:
    _, quantised = both(tiny_model(), X)
    half = in_half(quantised, "model.onnx")
    values = {t.name: numpy_helper.to_array(t) for t in quantised.graph.initializer}
    for tensor in half.graph.initializer:
        if "scale" in tensor.name:
            np.testing.assert_array_equal(
                numpy_helper.to_array(tensor).astype(np.float32), values[tensor.name]
            )


def test_a_weight_that_fp16_cannot_hold_is_refused() -> None:
    model = tiny_model()
    bias = next(t for t in model.graph.initializer if t.name == "fc.bias")
    bias.CopyFrom(numpy_helper.from_array(np.full(10, 1e5, np.float32), "fc.bias"))
    with pytest.raises(InputError, match=r"net\.onnx: 'fc\.bias' holds 100000.*--precision fp32"):
        in_half(model, "net.onnx")


def test_scales_of_a_resize_stay_float32() -> None:
    node = helper.make_node("Resize", ["x", "", "by"], ["y"], mode="nearest")
    graph = helper.make_graph(
        [node],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 8, 8])],
        [numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "by")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    half = in_half(model, "net.onnx")
    assert types(half)["by"] == TensorProto.FLOAT
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    np.testing.assert_array_equal(run_onnx(half, x), run_onnx(model, x))


def test_nested_graphs_are_refused() -> None:
    branch = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["z"])],
        "branch",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    node = helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)
    graph = helper.make_graph(
        [node],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        [numpy_helper.from_array(np.array(True), "yes")],
    )
    with pytest.raises(InputError, match="nested graphs"):
        in_half(helper.make_model(graph), "net.onnx")


def changed(model, name, value):
    """``model`` with another value in a constant, which it is given if it lacks it."""
    for tensor in model.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(value, np.float32), name))
            return model
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
    return model


def with_node(op, bound):
    """The tiny network with ``op`` of its first activation and a constant in between."""
    model = tiny_model()
    relu = next(node for node in model.graph.node if node.name == "relu")
    relu.output[0], after = "before", relu.output[0]
    names = ["before", "", "bound"] if op == "Clip" else ["before", "bound"]
    at = list(model.graph.node).index(relu)
    model.graph.node.insert(at + 1, helper.make_node(op, names, [after], "odd"))
    return changed(model, "bound", bound)


@pytest.mark.parametrize("op", ["Clip", "Min"])
def test_a_bound_that_fp16_cannot_hold_bounds_nothing(op, caplog) -> None:
    half = in_half(with_node(op, np.finfo(np.float32).max), "net.onnx")
    bound = next(t for t in half.graph.initializer if t.name == "bound")
    assert numpy_helper.to_array(bound) == np.finfo(np.float16).max
    assert caplog.text == ""
    in_half(with_node(op, 1e5), "net.onnx")
    assert "net.onnx in fp16: the bound 100000 in 'bound' becomes 65504" in caplog.text


def test_a_single_number_is_refused_like_any_weight() -> None:
    with pytest.raises(InputError, match="'bound' holds 100000, more than fp16 can"):
        in_half(with_node("Mul", 1e5), "net.onnx")


def test_infinity_stays_infinity(caplog) -> None:
    half = in_half(with_node("Add", -np.inf), "net.onnx")
    assert numpy_helper.to_array(half.graph.initializer[-1]) == -np.inf
    assert caplog.text == ""


def test_what_becomes_0_is_a_warning_unless_it_is_lost_in_rounding(caplog) -> None:
    in_half(changed(tiny_model(), "fc.bias", [1e-9, 0.5] * 5), "net.onnx")
    assert caplog.text == ""
    in_half(changed(tiny_model(), "fc.bias", [1e-9, 1e-8] * 5), "net.onnx")
    (record,) = caplog.records
    assert "10 value(s) of 'fc.bias' that are not 0 become 0, up to 1e-08" in record.message


def test_a_scale_that_fp16_cannot_hold_is_refused() -> None:
    _, quantised = both(tiny_model(), X)
    name = next(t.name for t in quantised.graph.initializer if t.name.endswith("weight_scale"))
    with pytest.raises(InputError, match=r"the scale .* holds 1e-09, less than fp16 can"):
        in_half(changed(quantised, name, np.full(16, 1e-9)), "net.onnx")


def test_a_file_without_the_standard_opset_is_refused() -> None:
    model = tiny_model()
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("acme", 1))
    with pytest.raises(InputError, match="imports the ONNX operators 0 times"):
        in_half(model, "net.onnx")
