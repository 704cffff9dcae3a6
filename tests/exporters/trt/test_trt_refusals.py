"""What no engine is built of: one line each, and nothing is left behind."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import helper

from nnc.errors import BudgetError, InputError, NncError
from nnc.exporters.int8.settings import Int8Settings
from nnc.exporters.trt import engine
from nnc.exporters.trt_engine import CalibrationData, quantise
from nnc.runtimes.artifact import CardOverrides, read_artifact
from nnc.runtimes.onnx_model.files import save_model

from ..conftest import noise, tiny_model
from ..qdq.test_insert import network, normal
from .building import FP32, INT8, RTX, described, held_back

pytest.importorskip("tensorrt_rtx")


def test_a_loss_over_the_limit_builds_nothing(tmp_path) -> None:
    model = tiny_model()
    path = tmp_path / "spoilt.onnx"
    # One filter far larger than all others sets the scale of what the next layer reads, which
    # has next to no weight for it.
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor).copy()
        if tensor.name in ("a.weight", "a.bias"):
            values[0] = np.abs(values[0]) * 3e4
        elif tensor.name == "d.weight":
            values[:, 0] *= 1e-9
        elif tensor.name == "fc.weight":
            values[:, 0] = 0
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    save_model(model, path)
    unlabelled = replace(held_back(), classes=0)
    settings = replace(RTX, int8=replace(INT8, max_drop=0.1, search_seconds=0))
    with pytest.raises(BudgetError, match=r"no int8 file holds at most 0\.1 points lost"):
        quantise(
            described(path), tmp_path / "o.engine", CalibrationData(noise(), unlabelled), settings
        )
    assert [each.name for each in tmp_path.iterdir()] == ["spoilt.onnx"]


def test_a_gpu_it_cannot_build_for_is_refused(tiny_artifact, tmp_path) -> None:
    with pytest.raises(InputError, match="cannot build for compute capability 90; expected one of"):
        quantise(tiny_artifact, tmp_path / "o.engine", None, replace(FP32, target_gpu="90"))
    assert [each.name for each in tmp_path.iterdir()] == ["tiny.onnx"]


def odd_model(*nodes):
    """The tiny network with other nodes in place of its first Relu, from ``a`` to ``b``."""
    model = tiny_model()
    at = [node.name for node in model.graph.node].index("relu")
    del model.graph.node[at]
    for offset, node in enumerate(nodes):
        model.graph.node.insert(at + offset, node)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2, 3], np.int64), "axes"))
    return model


def test_a_node_that_the_parser_refuses_is_named(tmp_path) -> None:
    det = helper.make_node("Det", ["a"], ["dets"], "the_determinant")
    model = odd_model(det, helper.make_node("Unsqueeze", ["dets", "axes"], ["b"], "back"))
    path = tmp_path / "odd.onnx"
    save_model(model, path)
    with pytest.raises(InputError, match=r"odd\.onnx: TensorRT for RTX .* Det 'the_determinant'"):
        quantise(described(path), tmp_path / "o.engine", None, FP32)
    assert [each.name for each in tmp_path.iterdir()] == ["odd.onnx"]


def test_what_cannot_be_built_is_refused_before_int8_is_looked_for(tmp_path) -> None:
    det = helper.make_node("Det", ["a"], ["dets"], "the_determinant")
    back = helper.make_node("Unsqueeze", ["dets", "axes"], ["b"], "back")
    path = tmp_path / "odd.onnx"
    save_model(odd_model(det, back), path)

    def never():
        raise AssertionError("it was calibrated")

    data = CalibrationData(never, held_back())
    with pytest.raises(InputError, match=r"cannot take Det 'the_determinant': unsupported node"):
        quantise(described(path), tmp_path / "o.engine", data, RTX)


def test_what_onnx_runtime_has_no_kernel_for_is_refused_for_int8_alone(tmp_path) -> None:
    path = tmp_path / "odd.onnx"
    model = odd_model(helper.make_node("Weird", ["a"], ["b"], "odd", domain="acme"))
    model.opset_import.append(helper.make_opsetid("acme", 1))
    save_model(model, path)
    data = CalibrationData(noise(), held_back())
    with pytest.raises(InputError, match=r"odd\.onnx: ONNX Runtime cannot run it: .*Weird"):
        quantise(described(path), tmp_path / "o.engine", data, RTX)
    # TensorRT may have a plug-in for it, and says itself that it has not.
    with pytest.raises(InputError, match=r"odd\.onnx: TensorRT for RTX .* cannot take Weird 'odd'"):
        quantise(described(path), tmp_path / "o.engine", None, FP32)


def test_values_that_fp16_cannot_hold_are_found_before_building(tmp_path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["p"], "conv"),
        helper.make_node("GlobalAveragePool", ["p"], ["g"], "mean"),
        helper.make_node("Flatten", ["g"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "v"], ["y"], "fc"),
    ]
    loud = network(nodes, {"w": np.full((16, 3, 1, 1), 1e6, np.float32), "v": normal(16, 10)})
    shape = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 10])
    loud.graph.output[0].CopyFrom(shape)
    path = tmp_path / "loud.onnx"
    save_model(loud, path)
    artifact = read_artifact(path, CardOverrides(mean=(0.5,) * 3, std=(0.5,) * 3, image_size=8))
    data = CalibrationData(noise(channels=3), replace(held_back(), classes=0))
    settings = replace(RTX, int8=replace(INT8, max_drop=100))
    with pytest.raises(BudgetError, match=r"the rest in fp16, which holds nothing over 65504"):
        quantise(artifact, tmp_path / "o.engine", data, settings)
    assert [each.name for each in tmp_path.iterdir()] == ["loud.onnx"]


def test_a_network_without_an_int8_layer_is_refused(tiny_artifact, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("nnc.exporters.trt.rules._LEAST_GEMM", 10**6)
    monkeypatch.setattr("nnc.exporters.trt.rules._hindered_convolution", lambda *_: "not today")
    with pytest.raises(InputError, match=r"no layer of it would be int8 \('a': not today\)"):
        quantise(tiny_artifact, tmp_path / "o.engine", CalibrationData(noise()), RTX)


def test_too_little_workspace_says_so(tmp_path) -> None:
    path = tmp_path / "big.onnx"
    save_model(tiny_model(size=256), path)
    artifact = read_artifact(path, CardOverrides(mean=(0.5,), std=(0.5,), image_size=256))
    settings = replace(FP32, workspace_mb=1)
    with pytest.raises(NncError, match=r"built no engine: .*; 1 MB are too few, give --workspace"):
        quantise(artifact, tmp_path / "o.engine", None, settings)


def test_a_build_that_fails_names_the_node_and_writes_nothing(tiny_artifact, tmp_path) -> None:
    """Turing has no fp32 product of matrices in TensorRT for RTX."""
    with pytest.raises(NncError, match=r"built no engine: node 'fc': .*FP32 GEMM") as caught:
        quantise(tiny_artifact, tmp_path / "o.engine", None, replace(FP32, target_gpu="75"))
    assert "\n" not in str(caught.value)
    assert [each.name for each in tmp_path.iterdir()] == ["tiny.onnx"]


def test_another_backends_int8_is_refused(tiny, tmp_path, card) -> None:
    from nnc.exporters.ort_int8 import quantise as quantise_for_cpu

    path = tmp_path / "cpu.int8.onnx"
    quantise_for_cpu(tiny, path, noise(), Int8Settings(target="avx2", samples=64))
    with pytest.raises(InputError, match="quantise the float model it was made from"):
        quantise(described(path), tmp_path / "o.engine", None, RTX)


def test_int8_is_not_built_as_something_else(tiny_artifact, tmp_path) -> None:
    data = CalibrationData(noise())
    quantise(tiny_artifact, tmp_path / "out.engine", data, replace(RTX, keep_onnx=True))
    artifact = described(tmp_path / "out.qdq.onnx")
    with pytest.raises(InputError, match="int8 already; build it with --precision int8"):
        quantise(artifact, tmp_path / "b.engine", None, FP32)


def test_float_needs_images_for_int8(tiny_artifact, tmp_path) -> None:
    with pytest.raises(InputError, match="int8 takes calibration images"):
        quantise(tiny_artifact, tmp_path / "out.engine", None, RTX)


def test_the_reason_is_that_of_the_build_not_of_what_came_before(
    tiny_artifact, tmp_path, monkeypatch
) -> None:
    def spoilt(config, data):
        engine.new_logger.sink("error", "the timing cache does not fit")

    def listening(library, sink):
        listening.sink = sink
        return make(library, sink)

    make = engine.new_logger
    monkeypatch.setattr(engine, "new_logger", listening)
    monkeypatch.setattr(engine, "use_timing_cache", spoilt)
    timings = SimpleNamespace(read=lambda: b"")
    monkeypatch.setattr("nnc.exporters.trt.place.Place.timings", timings)
    with pytest.raises(NncError, match=r"built no engine: node 'fc': .*FP32 GEMM"):
        quantise(tiny_artifact, tmp_path / "o.engine", None, replace(FP32, target_gpu="75"))
