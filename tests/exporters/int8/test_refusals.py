"""What cannot be quantised is refused in one line, and nothing is written."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nnc.errors import InputError
from nnc.exporters.ort_int8 import Int8Settings, quantise

from ..conftest import AVX2, noise, tiny_model


def two_inputs(model):
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1]))


def flat_input(model):
    del model.graph.input[0].type.tensor_type.shape.dim[2:]


def half_input(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def quantised_input(model):
    model.graph.node.insert(0, helper.make_node("QuantizeLinear", ["input", "six"], ["unused"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (two_inputs, r"has 2 inputs \(input, other\); expected one image batch"),
        (flat_input, r"has 2 dimensions; expected an image batch"),
        (half_input, r"'input' is float16; expected a float32 model"),
        (quantised_input, r"is already quantised \(it has QuantizeLinear nodes\)"),
    ],
)
def test_models_that_cannot_be_quantised(tmp_path, change, message):
    model = tiny_model()
    change(model)
    onnx.save(model, tmp_path / "bad.onnx")
    with pytest.raises(InputError, match=message):
        quantise(tmp_path / "bad.onnx", tmp_path / "out.onnx", noise(), AVX2)
    assert not (tmp_path / "out.onnx").exists()


def test_an_int8_file_is_not_quantised_again(tiny, tmp_path):
    quantise(tiny, tmp_path / "out.onnx", noise(), AVX2)
    with pytest.raises(InputError, match="already quantised"):
        quantise(tmp_path / "out.onnx", tmp_path / "again.onnx", noise(), AVX2)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (lambda: iter(()), "no calibration images"),
        (noise(channels=3), r"calibration images float32 \[32, 3, 8, 8\]; .* \[N, 1, 8, 8\]"),
        (noise(size=9), r"calibration images float32 \[32, 1, 9, 9\]"),
        (lambda: iter([np.zeros((1, 1, 8, 8))]), "calibration images float64"),
    ],
    ids=["none", "channels", "size", "dtype"],
)
def test_images_that_do_not_fit(tiny, tmp_path, images, message):
    with pytest.raises(InputError, match=message):
        quantise(tiny, tmp_path / "out.onnx", images, AVX2)
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("tensor", ["a.bias", "d.weight", "fc.bias"])
def test_nan_is_named(tmp_path, tensor):
    model = tiny_model()
    broken = next(t for t in model.graph.initializer if t.name == tensor)
    values = numpy_helper.to_array(broken).copy()
    values.flat[0] = np.nan
    broken.CopyFrom(numpy_helper.from_array(values, tensor))
    onnx.save(model, tmp_path / "nan.onnx")
    with pytest.raises(InputError, match=f"tensor '{tensor}' holds NaN or infinite"):
        quantise(tmp_path / "nan.onnx", tmp_path / "out.onnx", noise(), AVX2)
    assert not (tmp_path / "out.onnx").exists()


def test_an_overflow_on_the_way_is_named(tmp_path):
    model = tiny_model()
    weight = next(t for t in model.graph.initializer if t.name == "a.weight")
    huge = numpy_helper.to_array(weight) * np.float32(1e38)
    weight.CopyFrom(numpy_helper.from_array(huge, "a.weight"))
    onnx.save(model, tmp_path / "huge.onnx")
    with pytest.raises(InputError, match="tensor 'b' becomes NaN or infinite"):
        quantise(tmp_path / "huge.onnx", tmp_path / "out.onnx", noise(), AVX2)


def test_interrupted_while_calibrating_leaves_nothing(tiny, tmp_path):
    def images():
        yield from noise(32)()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantise(tiny, tmp_path / "out.onnx", images, AVX2)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "sse"}, "unknown target 'sse'"),
        ({"samples": 0}, "0 calibration samples"),
        ({"calibration": "magic"}, "unknown calibration 'magic'"),
        ({"tools": ["magic"]}, "unknown tool 'magic'"),
        ({"percentile": 3}, "percentile 3: expected over 50"),
        ({"max_drop": -1.0}, "max_drop -1.0"),
        ({"guard_images": 0}, "0 guard images"),
        ({"threads": -1}, "-1 threads"),
    ],
)
def test_settings_validate_themselves(settings, message):
    with pytest.raises(InputError, match=message):
        Int8Settings(**settings)
