"""Real engines, built by TensorRT for RTX, which needs no GPU for that."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from nnc.errors import BudgetError, InputError, MissingError, NncError
from nnc.exporters import trt_engine
from nnc.exporters.int8_settings import Int8Settings
from nnc.exporters.trt.settings import TrtSettings
from nnc.exporters.trt_engine import CalibrationData, qdq_path, quantise
from nnc.runtimes.accuracy import TestPart
from nnc.runtimes.artifact import CardOverrides, read_artifact
from nnc.runtimes.onnx_files import read_properties, save_model
from nnc.runtimes.trt_preflight import load_plan
from nnc.runtimes.trt_sidecar import read_sidecar, sidecar_path
from nnc.whole_files import sha256_of

from ..conftest import noise, run_onnx, sqnr, tiny_model

pytest.importorskip("tensorrt_rtx")

INT8 = Int8Settings(calibration="minmax", samples=64, never_slower=False)
RTX = TrtSettings(flavour="rtx", target_gpu="89", int8=INT8)
FP32 = replace(RTX, precision="fp32")


def described(path: Path):
    return read_artifact(path, CardOverrides(mean=(0.5,), std=(0.5,), image_size=8))


def held_back(images=600, classes=10, seed=1):
    """Noise, labelled at random: float and int8 are wrong alike."""

    def batches(spec):
        rng = np.random.default_rng(seed)
        shape = (images, spec.height, spec.width, spec.channels)
        yield rng.integers(0, 256, shape, dtype=np.uint8), rng.integers(0, classes, images)

    return TestPart(batches=batches, images=images, name="noise", classes=classes)


@pytest.fixture
def tiny_artifact(tiny):
    return described(tiny)


def test_an_fp32_engine_and_its_sidecar(tiny_artifact, tmp_path) -> None:
    output = tmp_path / "out.engine"
    result = quantise(tiny_artifact, output, None, FP32)
    plan = load_plan(output)
    assert plan.header.flavour == "rtx"
    assert plan.sidecar == result.sidecar == read_sidecar(output)
    sidecar = result.sidecar
    assert sidecar.engine_sha256 == sha256_of(output)
    assert sidecar.parent_sha256 == tiny_artifact.sha256
    assert sidecar.targets == (89,)
    assert sidecar.batch == (1, 1, 64)
    assert [(t.name, t.dtype, t.shape) for t in sidecar.inputs] == [
        ("input", "float32", (None, 1, 8, 8))
    ]
    assert [(t.name, t.dtype, t.shape) for t in sidecar.outputs] == [
        ("logits", "float32", (None, 10))
    ]
    assert sidecar.card == tiny_artifact.card
    assert sidecar.parameters == tiny_artifact.parameters
    assert {layer.precision for layer in sidecar.layers} == {"fp32"}
    assert [layer.name for layer in sidecar.layers] == ["a", "d", "fc"]
    assert result.size_bytes == output.stat().st_size
    assert {path.name for path in tmp_path.iterdir()} == {
        *("tiny.onnx", "out.engine", "out.engine.json")
    }
    json.dumps(result.to_json())


def test_fp16_is_fp16_with_float32_borders(tiny_artifact, tmp_path) -> None:
    sidecar = quantise(
        tiny_artifact, tmp_path / "out.engine", None, replace(RTX, precision="fp16")
    ).sidecar
    assert {layer.precision for layer in sidecar.layers} == {"fp16"}
    assert {tensor.dtype for tensor in (*sidecar.inputs, *sidecar.outputs)} == {"float32"}


def test_int8_is_judged_kept_and_built_again_without_calibrating(tiny_artifact, tmp_path) -> None:
    output = tmp_path / "out.engine"
    data = CalibrationData(noise(), held_back(), "noise", {"images": 64, "indices": [1]}, 3)
    result = quantise(tiny_artifact, output, data, replace(RTX, keep_onnx=True))
    layers = {layer.name: layer for layer in result.sidecar.layers}
    assert layers["a"].precision == layers["d"].precision == "int8"
    assert layers["fc"].precision == "fp16"
    assert "faster in fp16" in layers["fc"].why
    assert result.quantised is not None
    assert result.quantised.trial.drop is not None
    assert result.fp16_drop is not None
    assert result.sidecar.calibration["backend"] == "trt"
    assert result.sidecar.calibration["images"] == {"images": 64}
    assert result.onnx == qdq_path(output) == tmp_path / "out.qdq.onnx"

    kept = onnx.load(result.onnx)
    onnx.checker.check_model(kept, full_check=True)
    x = next(noise(seed=5)())[:4]
    assert sqnr(run_onnx(tiny_artifact.path, x), run_onnx(result.onnx, x)) > 25
    assert read_properties(kept)["nnc.parent_sha256"].strip('"') == tiny_artifact.sha256

    artifact = read_artifact(result.onnx)
    again = quantise(artifact, tmp_path / "again.engine", None, RTX)
    assert again.quantised is None
    assert again.sidecar.layers == result.sidecar.layers
    assert again.sidecar.calibration == result.sidecar.calibration
    assert again.sidecar.parent_sha256 == sha256_of(result.onnx)


def test_a_plan_makes_the_choice_again(tiny_artifact, tmp_path) -> None:
    data = CalibrationData(noise(), held_back())
    first = quantise(tiny_artifact, tmp_path / "a.engine", data, replace(RTX, keep_onnx=True))
    assert first.quantised is not None
    plan = first.quantised.plan
    second = quantise(
        tiny_artifact, tmp_path / "b.engine", data, replace(RTX, keep_onnx=True), plan=plan
    )
    assert (tmp_path / "a.qdq.onnx").read_bytes() == (tmp_path / "b.qdq.onnx").read_bytes()
    assert second.quantised is not None
    with pytest.raises(InputError, match="made for another file"):
        quantise(
            replace(tiny_artifact, sha256="0" * 64), tmp_path / "c.engine", data, RTX, plan=plan
        )
    other = replace(plan, profile="avx2")
    with pytest.raises(InputError, match="made for avx2, not TensorRT"):
        quantise(tiny_artifact, tmp_path / "c.engine", data, RTX, plan=other)


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


def test_a_fixed_batch_is_the_engines(tmp_path) -> None:
    path = tmp_path / "fixed.onnx"
    save_model(tiny_model(batch=4), path)
    sidecar = quantise(described(path), tmp_path / "out.engine", None, FP32).sidecar
    assert sidecar.batch == (4, 4, 4)
    assert sidecar.inputs[0].shape == (4, 1, 8, 8)


def test_batches_are_those_asked_for(tiny_artifact, tmp_path) -> None:
    settings = replace(FP32, batch=(2, 8, 16))
    sidecar = quantise(tiny_artifact, tmp_path / "out.engine", None, settings).sidecar
    assert sidecar.batch == (2, 8, 16)


def test_all_gpus_that_one_engine_can_serve(tiny_artifact, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("nnc.exporters.trt.place.first_device", lambda: None)
    settings = replace(FP32, target_gpu="auto", flavour="auto")
    sidecar = quantise(tiny_artifact, tmp_path / "out.engine", None, settings).sidecar
    assert set(sidecar.targets) >= {80, 86, 89, 120}
    assert 75 not in sidecar.targets
    turing = replace(RTX, precision="fp16", target_gpu="75")
    assert quantise(tiny_artifact, tmp_path / "t.engine", None, turing).sidecar.targets == (75,)


def test_a_gpu_it_cannot_build_for_is_refused(tiny_artifact, tmp_path) -> None:
    with pytest.raises(InputError, match="cannot build for compute capability 90; expected one of"):
        quantise(tiny_artifact, tmp_path / "o.engine", None, replace(FP32, target_gpu="90"))
    assert [each.name for each in tmp_path.iterdir()] == ["tiny.onnx"]


def test_a_node_that_the_parser_refuses_is_named(tmp_path) -> None:
    model = tiny_model()
    relu = next(node for node in model.graph.node if node.name == "relu")
    relu.CopyFrom(helper.make_node("Det", ["a"], ["dets"], "the_determinant"))
    model.graph.node.insert(2, helper.make_node("Unsqueeze", ["dets", "axes"], ["b"], "back"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2, 3], np.int64), "axes"))
    path = tmp_path / "odd.onnx"
    save_model(model, path)
    with pytest.raises(InputError, match=r"odd\.onnx: TensorRT for RTX .* Det 'the_determinant'"):
        quantise(described(path), tmp_path / "o.engine", None, FP32)
    assert [each.name for each in tmp_path.iterdir()] == ["odd.onnx"]


def test_a_build_that_fails_names_the_node_and_writes_nothing(tiny_artifact, tmp_path) -> None:
    """Turing has no fp32 product of matrices in TensorRT for RTX."""
    with pytest.raises(NncError, match=r"built no engine: node 'fc': .*FP32 GEMM") as caught:
        quantise(tiny_artifact, tmp_path / "o.engine", None, replace(FP32, target_gpu="75"))
    assert "\n" not in str(caught.value)
    assert [each.name for each in tmp_path.iterdir()] == ["tiny.onnx"]


def test_both_files_or_neither(tiny_artifact, tmp_path, monkeypatch) -> None:
    output = tmp_path / "out.engine"

    def broken(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nnc.runtimes.trt_sidecar.Sidecar.to_text", broken)
    with pytest.raises(NncError, match="no space left"):
        quantise(tiny_artifact, output, None, FP32)
    assert [each.name for each in tmp_path.iterdir()] == ["tiny.onnx"]


def test_what_is_there_is_not_replaced_unasked(tiny_artifact, tmp_path) -> None:
    output = tmp_path / "out.engine"
    sidecar_path(output).write_text("mine")
    with pytest.raises(InputError, match=r"out\.engine\.json exists"):
        quantise(tiny_artifact, output, None, FP32)
    assert not output.exists()
    quantise(tiny_artifact, output, None, FP32, overwrite=True)
    assert load_plan(output).sidecar is not None


def test_without_a_library_the_checked_file_is_written_all_the_same(
    tiny_artifact, tmp_path, monkeypatch
) -> None:
    def lacking(*_):
        raise MissingError("TensorRT cannot build here: it needs an NVIDIA GPU with its driver")

    monkeypatch.setattr(trt_engine, "find_place", lacking)
    data = CalibrationData(noise(), held_back())
    with pytest.raises(MissingError, match="needs an NVIDIA GPU"):
        quantise(tiny_artifact, tmp_path / "out.engine", data, RTX)
    assert [each.name for each in tmp_path.iterdir()] == ["tiny.onnx"]
    with pytest.raises(MissingError, match=r"nnc quantise out\.qdq\.onnx --backend trt -o out"):
        quantise(tiny_artifact, tmp_path / "out.engine", data, replace(RTX, keep_onnx=True))
    assert {each.name for each in tmp_path.iterdir()} == {"tiny.onnx", "out.qdq.onnx"}
    assert read_artifact(tmp_path / "out.qdq.onnx").card.history[-1].settings["backend"] == "trt"


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


@pytest.mark.parametrize("name", ["mobilenet", "shufflenet"])
def test_whole_networks_are_int8_but_for_what_is_named_with_a_reason(
    exported, pixels, tmp_path, name
) -> None:
    from nnc.runtimes.preprocess import normalise

    pytest.importorskip("torch")
    made = exported(name)
    batch = normalise(pixels[:96], made.card.input)
    data = CalibrationData(lambda: iter([batch]))
    result = quantise(
        read_artifact(made.onnx),
        tmp_path / "out.engine",
        data,
        replace(RTX, keep_onnx=True, batch=(1, 1, 8)),
    )
    left = [layer for layer in result.sidecar.layers if layer.precision != "int8"]
    assert all(layer.why for layer in left)
    assert [layer.op for layer in left if "faster in fp16" in layer.why] == ["Gemm"]
    rest = [layer.why for layer in left if layer.op != "Gemm"]
    # ShuffleNet's depthwise convolutions of 58 and 116 channels.
    assert all("no multiples of 8" in why for why in rest)
    assert bool(rest) is (name == "shufflenet")
    x = normalise(pixels[96:128], made.card.input)
    assert sqnr(run_onnx(made.onnx, x), run_onnx(result.onnx, x)) > 15
