"""``nnc quantise --backend trt`` at the command line."""

from __future__ import annotations

import json
import sys

import pytest

from nnc.runtimes import trt_compat

ENGINE = ("--backend", "trt", "--flavour", "rtx", "--target-gpu", "89")


def test_without_the_library_the_extra_is_named(
    nnc, tmp_path, tiny_onnx, small_npz, monkeypatch
) -> None:
    monkeypatch.setattr(trt_compat, "installed_flavours", lambda: ())
    output = tmp_path / "out.engine"
    result = nnc("quantise", tiny_onnx, "--backend", "trt", "--data", small_npz, "-o", output)
    assert (result.code, result.out) == (4, "")
    assert result.err.count("\n") == 1
    assert 'pip install "nnc-toolchain[trt]"' in result.err
    assert 'pip install "nnc-toolchain[rtx]"' in result.err
    assert "CUDA 13" in result.err
    assert list(tmp_path.iterdir()) == []


def test_without_the_library_the_checked_onnx_is_kept(
    nnc, tmp_path, tiny_onnx, small_npz, monkeypatch
) -> None:
    monkeypatch.setattr(trt_compat, "installed_flavours", lambda: ())
    output = tmp_path / "out.engine"
    result = nnc(
        *("quantise", tiny_onnx, "--backend", "trt", "--data", small_npz, "--keep-onnx"),
        *("--max-drop", 100, "-o", output),
    )
    assert result.code == 4
    assert "nnc quantise out.qdq.onnx --backend trt -o out.engine" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["out.qdq.onnx"]


@pytest.mark.parametrize(
    ("backend", "options", "name"),
    [
        ("ort", ("--keep-onnx",), "--keep-onnx is an option of --backend trt"),
        ("ort", ("--precision", "fp16"), "--precision is an option of --backend trt"),
        ("trt", ("--target", "avx2"), "--target is an option of --backend ort"),
        ("trt", ("--never-slower",), "--never-slower is an option of --backend ort"),
    ],
)
def test_options_of_the_other_backend_are_refused(
    nnc, tmp_path, tiny_onnx, backend, options, name
) -> None:
    result = nnc("quantise", tiny_onnx, "--backend", backend, *options)
    assert result.code == 2
    assert name in result.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--batch", "1,2"), "is not MIN,OPT,MAX"),
        (("--batch", "8,4,16"), "batch 8,4,16: expected MIN,OPT,MAX"),
        (("--batch", "0,4,16"), "batch 0,4,16: expected MIN,OPT,MAX"),
        (("--precision", "fp16", "--keep-onnx"), "no Q/DQ file of fp16 to keep"),
        (("-o", "out.onnx"), "expected a name that ends in .engine"),
    ],
)
def test_bad_settings_are_one_line(nnc, tmp_path, tiny_onnx, options, message) -> None:
    result = nnc("quantise", tiny_onnx, "--backend", "trt", *options)
    assert result.code == 2
    assert message in result.err


def test_help_loads_no_tensorrt(nnc) -> None:
    before = set(sys.modules)
    result = nnc("quantise", "--help")
    assert "--target-gpu" in result.out
    assert not {"tensorrt", "tensorrt_rtx"} & (set(sys.modules) - before)


def test_an_int8_engine_with_its_report(nnc, tmp_path, tiny_onnx, small_npz) -> None:
    pytest.importorskip("tensorrt_rtx")
    output = tmp_path / "out.engine"
    common = ("--data", small_npz, "--max-drop", 100, "--calibration", "minmax")
    result = nnc("quantise", tiny_onnx, *ENGINE, *common, "--explain", "--keep-onnx", "-o", output)
    assert (result.code, result.err) == (0, "")
    assert "minmax calibration on" in result.out
    assert "layers with weights: 1 fp16, 2 int8" in result.out
    assert "a product of 16 by 10 is faster in fp16" in result.out
    assert "for compute capability 8.9" in result.out
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"out.engine", "out.engine.json", "out.qdq.onnx"}

    again = tmp_path / "again.engine"
    told = nnc("quantise", tmp_path / "out.qdq.onnx", *ENGINE, "--json", "-o", again)
    assert (told.code, told.err) == (0, "")
    value = json.loads(told.out)
    assert value["samples"] == 0
    assert value["sidecar"]["calibration"]["calibration"] == "minmax"
    assert value["sidecar"] == json.loads((tmp_path / "again.engine.json").read_text())


def test_fp32_and_fp16_take_no_data(nnc, tmp_path, foreign_onnx) -> None:
    pytest.importorskip("tensorrt_rtx")
    for precision in ("fp32", "fp16"):
        output = tmp_path / f"{precision}.engine"
        result = nnc("quantise", foreign_onnx, *ENGINE, "--precision", precision, "-o", output)
        assert (result.code, result.err) == (0, "")
        assert f"layers with weights: 3 {precision}" in result.out
