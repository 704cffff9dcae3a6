"""Real engines, built by TensorRT for RTX, which needs no GPU for that."""

from __future__ import annotations

import json
from dataclasses import replace

import onnx
import pytest

from nnc.errors import InputError, MissingError, NncError
from nnc.exporters import trt_engine
from nnc.exporters.trt_engine import CalibrationData, qdq_path, quantise
from nnc.runtimes.artifact import read_artifact
from nnc.runtimes.onnx_model.files import read_properties, save_model
from nnc.runtimes.trt.preflight import load_plan
from nnc.runtimes.trt.sidecar import read_sidecar, sidecar_path
from nnc.whole_files import sha256_of

from ..conftest import noise, run_onnx, sqnr, tiny_model
from .building import FP32, RTX, described, held_back

pytest.importorskip("tensorrt_rtx")


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


def test_a_warning_that_comes_again_is_told_once(tiny_artifact, tmp_path) -> None:
    result = quantise(tiny_artifact, tmp_path / "o.engine", CalibrationData(noise()), RTX)
    assert len(set(result.warnings)) == len(result.warnings)


def test_both_files_or_neither(tiny_artifact, tmp_path, monkeypatch) -> None:
    output = tmp_path / "out.engine"

    def broken(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nnc.runtimes.trt.sidecar.Sidecar.to_text", broken)
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
    rest = (
        r"nnc quantise out\.qdq\.onnx --backend trt --flavour rtx --target-gpu 89 --batch 2,2,4 "
        r"--workspace-mb 9 -o out\.engine"
    )
    settings = replace(RTX, keep_onnx=True, batch=(2, 2, 4), workspace_mb=9)
    with pytest.raises(MissingError, match=rest):
        quantise(tiny_artifact, tmp_path / "out.engine", data, settings)
    assert {each.name for each in tmp_path.iterdir()} == {"tiny.onnx", "out.qdq.onnx"}
    assert read_artifact(tmp_path / "out.qdq.onnx").card.history[-1].settings["backend"] == "trt"


def test_the_model_itself_is_never_replaced(tiny_artifact, tmp_path) -> None:
    data = CalibrationData(noise())
    made = quantise(tiny_artifact, tmp_path / "a.engine", data, replace(RTX, keep_onnx=True))
    assert made.onnx is not None
    before = made.onnx.read_bytes()
    again = replace(RTX, keep_onnx=True)
    # It is the Q/DQ file that is to be kept, by whatever name: it stays as it is.
    link = tmp_path / "b.qdq.onnx"
    link.symlink_to(made.onnx)
    for name in ("a.engine", "b.engine"):
        built = quantise(
            read_artifact(made.onnx), tmp_path / name, None, again, overwrite=name == "a.engine"
        )
        assert built.onnx == qdq_path(tmp_path / name)
        assert made.onnx.read_bytes() == before
    assert link.is_symlink()
    float_file = tmp_path / "c.qdq.onnx"
    float_file.write_bytes(tiny_artifact.path.read_bytes())
    with pytest.raises(InputError, match=r"would replace the model itself, .*c\.qdq\.onnx; choose"):
        quantise(described(float_file), tmp_path / "c.engine", data, again, overwrite=True)
    assert float_file.read_bytes() == tiny_artifact.path.read_bytes()


def test_fp32_is_no_tf32(tiny_artifact, tmp_path) -> None:
    assert quantise(tiny_artifact, tmp_path / "a.engine", None, FP32).sidecar.tf32 is False
    half = replace(RTX, precision="fp16")
    assert quantise(tiny_artifact, tmp_path / "b.engine", None, half).sidecar.tf32 is True


def test_fp16_is_judged_where_there_are_images(tiny_artifact, tmp_path) -> None:
    data = CalibrationData(noise(), replace(held_back(), classes=0))
    settings = replace(RTX, precision="fp16", int8=replace(RTX.int8, max_drop=100))
    result = quantise(tiny_artifact, tmp_path / "a.engine", data, settings)
    assert result.quantised is None
    assert result.fp16_drop is not None
    assert result.fp16_drop.images == 600
    assert result.fp16_drop.points < 5
    free = replace(settings, int8=replace(RTX.int8, max_drop=None))
    assert quantise(tiny_artifact, tmp_path / "b.engine", data, free).fp16_drop is None


def test_a_layer_with_float_weights_is_not_int8(tmp_path) -> None:
    """What it reads is rounded, its weights are not: it computes in float."""
    from ..trt.test_qdq import X, both

    _, model = both(tiny_model(), X)
    graph = model.graph
    layer = next(node for node in graph.node if node.name == "d")
    exact = next(t for t in tiny_model().graph.initializer if t.name == "d.weight")
    graph.initializer.append(exact)
    layer.input[1] = exact.name
    path = tmp_path / "mixed.onnx"
    save_model(model, path)
    result = quantise(described(path), tmp_path / "o.engine", None, RTX)
    layers = {one.name: one for one in result.sidecar.layers}
    assert layers["a"].precision == "int8"
    assert (layers["d"].precision, layers["d"].why) == ("fp16", "its weights are float")
