"""Float layers whose weights the file holds as int8: small, and a float graph when loaded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from nnc.errors import BudgetError, InputError
from nnc.exporters.executed.graph import executed_graph
from nnc.exporters.guard.search import Search
from nnc.exporters.int8.stored_weights import float_weights, store_weights
from nnc.exporters.ort_int8 import Int8Settings, quantise
from nnc.runtimes.onnx_model.graph import read_graph
from nnc.toolchain.report.int8 import int8_lines

from ..conftest import noise, run_onnx, tiny_model

node = helper.make_node

LAYERS = {
    # operator: (shape of the weights, axis of the output channels, attributes)
    "Conv": ((24, 16, 3, 3), 0, {}),
    "ConvTranspose": ((16, 24, 3, 3), 1, {}),
    "Gemm": ((64, 24), 1, {}),
    "Gemm transposed": ((24, 64), 0, {"transB": 1}),
    "MatMul": ((64, 24), 1, {}),
}


def one_layer(kind: str, *, seed: int = 0, scale: float = 0.4) -> ModelProto:
    shape, axis, attributes = LAYERS[kind]
    op = kind.split()[0]
    rng = np.random.default_rng(seed)
    each = [1] * len(shape)
    each[axis] = -1
    spread = 10.0 ** rng.uniform(-2, 1, shape[axis])  # channels of very different size
    weight = (rng.normal(0, scale, shape) * spread.reshape(each)).astype(np.float32)
    size = [2, 16, 6, 6] if "Conv" in op else [2, 64]
    graph = helper.make_graph(
        [node(op, ["x", "w.weight"], ["y"], "layer", **attributes)],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, size)],
        [
            helper.make_tensor_value_info(
                "y", TensorProto.FLOAT, [f"d{i}" for i in range(len(size))]
            )
        ],
        [numpy_helper.from_array(weight, "w.weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(sorted(LAYERS)), st.integers(0, 99))
def test_every_channel_keeps_to_half_a_step_of_its_own_scale(kind: str, seed: int) -> None:
    model = one_layer(kind, seed=seed)
    axis = LAYERS[kind][1]
    before = np.moveaxis(numpy_helper.to_array(model.graph.initializer[0]), axis, 0)
    assert store_weights(model) == ("w.weight",)
    onnx.checker.check_model(model, full_check=True)
    held = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    after = held["w.weight_stored"].astype(np.float32) * held["w.weight_stored_scale"]
    after = np.moveaxis(after, axis, 0)
    assert held["w.weight_stored"].dtype == np.int8
    greatest = np.abs(before.reshape(len(before), -1)).max(axis=1)
    error = np.abs((after - before).reshape(len(before), -1)).max(axis=1)
    assert (error <= greatest / 127 / 2 * 1.0001).all()


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_what_is_computed_is_the_float_layer_with_those_weights(kind: str) -> None:
    model = one_layer(kind)
    store_weights(model)
    plain = one_layer(kind)
    held = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    weight = held["w.weight_stored"].astype(np.float32) * held["w.weight_stored_scale"]
    plain.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "w.weight"))
    size = [d.dim_value for d in plain.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(1).normal(0, 1, size).astype(np.float32)
    np.testing.assert_array_equal(run_onnx(model, x), run_onnx(plain, x))
    assert executed_graph(model).operators == executed_graph(plain).operators


def test_a_quarter_of_the_bytes_and_the_same_facts() -> None:
    model = tiny_model()
    before = read_graph(model)
    size = model.ByteSize()
    assert float_weights(model) == ("d.weight",)
    assert store_weights(model) == ("d.weight",)  # the others would not save a kilobyte
    assert model.ByteSize() < 0.5 * size
    after = read_graph(model)
    assert (after.parameters, after.macs) == (before.parameters, before.macs)
    assert [layer.name for layer in after.layers] == [layer.name for layer in before.layers]
    assert [layer.dtype for layer in after.layers] == ["float32", "int8", "float32"]
    assert float_weights(model) == ()


def test_weights_that_others_read_too_stay_as_they_are() -> None:
    model = one_layer("MatMul")
    model.graph.node.append(node("Shape", ["w.weight"], ["s"], "shape"))
    model.graph.output.append(helper.make_tensor_value_info("s", TensorProto.INT64, [2]))
    assert float_weights(model) == ()
    model = one_layer("MatMul")
    model.graph.output.append(helper.make_tensor_value_info("w.weight", TensorProto.FLOAT, None))
    assert store_weights(model) == ()


def test_names_that_are_taken_are_not_taken_again() -> None:
    model = one_layer("Gemm")
    model.graph.node[0].output[0] = "w.weight_stored"
    model.graph.output[0].name = "w.weight_stored"
    store_weights(model)
    onnx.checker.check_model(model, full_check=True)


def test_weights_only_takes_no_images_to_calibrate_and_computes_in_float(tmp_path, tiny) -> None:
    def no_images():
        yield from noise(32)()

    path = tmp_path / "small.onnx"
    result = quantise(tiny, path, no_images, Int8Settings(weights_only=True))
    x = next(iter(noise(32)()))
    exact, small = run_onnx(tiny, x), run_onnx(path, x)
    assert np.abs(small - exact).max() < 0.02 * np.abs(exact).max()
    assert result.size_bytes < 0.6 * result.source_size_bytes
    assert result.explanation.int8_mac_share == 0
    assert all("chosen to stay float" in entry.why for entry in result.explanation.nodes)
    assert result.trial.candidate.weights_only
    assert result.ranges == {}


def test_weights_alone_in_place_of_a_failure(tmp_path, tiny, monkeypatch, caplog) -> None:
    """A file that is refused is made of int8 weights where that was asked for."""

    def refuse(*_args, **_kwargs):
        raise BudgetError("0.82 times float's speed")

    monkeypatch.setattr(Search, "run", refuse)
    path = tmp_path / "small.onnx"
    with pytest.raises(BudgetError, match=r"^0\.82"):
        quantise(tiny, path, noise(32), Int8Settings(calibration="mse"))
    told = Int8Settings(calibration="mse", or_weights_only=True)
    result = quantise(tiny, path, noise(32), told)
    assert result.trial.candidate.weights_only
    assert result.instead_of == "0.82 times float's speed"
    assert "storing the weights alone" in caplog.text
    assert "int8 arithmetic was given up: 0.82 times float's speed" in list(int8_lines(result))
    assert result.to_json()["instead_of"] == result.instead_of


def test_weights_alone_where_no_layer_has_an_int8_form(tmp_path) -> None:
    path = tmp_path / "m.onnx"
    only = one_layer("ConvTranspose")
    only.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.save(only, path)
    images = noise(32, channels=16, size=6)
    with pytest.raises(InputError, match="no layer of it would run in int8"):
        quantise(path, tmp_path / "q.onnx", images, Int8Settings(max_drop=None))
    told = Int8Settings(max_drop=None, or_weights_only=True)
    result = quantise(path, tmp_path / "q.onnx", images, told)
    assert "no layer of it would run in int8" in result.instead_of


def test_where_the_weights_alone_fail_too_both_reasons_are_given(
    tmp_path, tiny, monkeypatch
) -> None:
    def refuse(why):
        def fail(*_args, **_kwargs):
            raise BudgetError(why)

        return fail

    monkeypatch.setattr(Search, "run", refuse("too slow"))
    monkeypatch.setattr(Search, "only", refuse("7 points lost"))
    told = Int8Settings(or_weights_only=True)
    with pytest.raises(BudgetError, match=r"^too slow; nor do the weights alone: 7 points lost"):
        quantise(tiny, tmp_path / "q.onnx", noise(32), told)
    assert not (tmp_path / "q.onnx").exists()
    with pytest.raises(InputError, match="exclude each other"):
        replace(told, weights_only=True)


def test_weights_only_is_made_again_from_its_plan(tmp_path, tiny) -> None:
    first = quantise(tiny, tmp_path / "a.onnx", noise(32), Int8Settings(weights_only=True))
    again = quantise(tiny, tmp_path / "b.onnx", noise(32), Int8Settings(), plan=first.plan)
    assert again.trial.candidate == first.trial.candidate
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_weights_only_beside_a_calibration_is_refused() -> None:
    with pytest.raises(InputError, match="weights_only needs no calibration"):
        Int8Settings(weights_only=True, calibration="mse")


def test_weights_that_are_stored_already_are_not_rounded_again(tmp_path, tiny) -> None:
    path = tmp_path / "small.onnx"
    quantise(tiny, path, noise(32), Int8Settings(weights_only=True))
    with pytest.raises(InputError, match="has its weights stored as int8 already"):
        quantise(path, tmp_path / "again.onnx", noise(32), Int8Settings())


def test_a_plan_is_of_the_weights_beside_the_file_too(tmp_path, tiny) -> None:
    model, data = tmp_path / "m.onnx", tmp_path / "m.data"
    onnx.save(
        onnx.load(tiny), model, save_as_external_data=True, location="m.data", size_threshold=0
    )
    told = Int8Settings(weights_only=True)
    plan = quantise(model, tmp_path / "a.onnx", noise(32), told).plan
    quantise(model, tmp_path / "b.onnx", noise(32), Int8Settings(), plan=plan)
    changed = bytearray(data.read_bytes())
    changed[-1] ^= 1
    data.write_bytes(changed)
    with pytest.raises(InputError, match="the plan was made for another file"):
        quantise(model, tmp_path / "c.onnx", noise(32), Int8Settings(), plan=plan)
