"""``nnc quantise --backend trt`` at the command line."""

from __future__ import annotations

import json
import signal
import sys

import pytest

from nnc.runtimes.install import install_command
from nnc.runtimes.trt import compat as trt_compat
from nnc.toolchain.cli.main import run_command_line

ENGINE = ("--backend", "trt", "--flavour", "rtx", "--target-gpu", "89")


@pytest.fixture(scope="module")
def qdq_onnx(tmp_path_factory, tiny_onnx, small_npz):
    """The tiny network with TensorRT's Q/DQ, as a machine without TensorRT writes it."""
    folder = tmp_path_factory.mktemp("qdq")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trt_compat, "installed_flavours", lambda: ())
        line = ("quantise", tiny_onnx, "--backend", "trt", "--data", small_npz, "--keep-onnx")
        options = ("--no-max-drop", "--calibration", "minmax", "-o", folder / "tiny.engine")
        assert run_command_line([str(word) for word in (*line, *options)]) == 4
    return folder / "tiny.qdq.onnx"


def test_without_the_library_the_extra_is_named(
    nnc, tmp_path, tiny_onnx, small_npz, monkeypatch
) -> None:
    monkeypatch.setattr(trt_compat, "installed_flavours", lambda: ())
    output = tmp_path / "out.engine"
    result = nnc("quantise", tiny_onnx, "--backend", "trt", "--data", small_npz, "-o", output)
    assert (result.code, result.out) == (4, "")
    assert result.err.count("\n") == 1
    for extra in ("trt", "rtx"):
        # As nnc doctor says it: the name is on no package index.
        assert install_command(extra) in result.err
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
        (("--batch", "1,-1,2"), "is not MIN,OPT,MAX"),
        (("--batch", "1,1,99999"), "1 to 65536"),
        (("--target-gpu", "8.8"), "'8.8' is not one of auto, 75, 80"),
        (("--target-gpu", "\u0668\u0669"), "is not one of auto, 75, 80"),
        (("--batch", "1,\u0662,4"), "is not MIN,OPT,MAX"),
        (("--workspace-mb", "0"), "0 is not in the range"),
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


def test_help_knows_the_gpus_that_the_settings_know() -> None:
    from nnc.exporters.trt import settings
    from nnc.toolchain.cli import engine_options

    assert engine_options.TARGET_GPUS == settings.TARGET_GPUS


def test_an_int8_engine_with_its_report(nnc, tmp_path, tiny_onnx, small_npz) -> None:
    pytest.importorskip("tensorrt_rtx")
    output = tmp_path / "out.engine"
    common = ("--data", small_npz, "--no-max-drop", "--calibration", "minmax")
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
    known = ("--mean", 0.5, "--std", 0.5)
    for precision in ("fp32", "fp16"):
        output = tmp_path / f"{precision}.engine"
        result = nnc(
            *("quantise", foreign_onnx, *ENGINE, *known, "--precision", precision, "-o", output)
        )
        assert (result.code, result.err) == (0, "")
        assert f"layers with weights: 3 {precision}" in result.out


def test_fp16_is_judged_on_data_alone(nnc, tmp_path, tiny_onnx, small_npz) -> None:
    pytest.importorskip("tensorrt_rtx")
    line = ("quantise", tiny_onnx, *ENGINE, "--precision", "fp16", "-o", tmp_path / "a.engine")
    result = nnc(*line, "--max-drop", 3)
    assert result.code == 2
    assert "fp16 is judged with --data alone, so --max-drop says nothing here" in result.err
    assert "fp16 takes no images, so --tool says" in nnc(*line, "--tool", "adaround").err
    result = nnc(*line, "--data", small_npz, "--max-drop", 100)
    assert result.code == 0
    assert "fp16 on held-back images: " in result.out


def test_a_data_set_says_what_the_file_does_not(nnc, tmp_path, foreign_onnx, small_npz) -> None:
    pytest.importorskip("tensorrt_rtx")
    line = ("quantise", foreign_onnx, *ENGINE, "--precision", "fp32")
    told = nnc(*line, "--data", small_npz, "-o", tmp_path / "told.engine")
    assert told.code == 0
    assert "does not say how its images are normalised; assuming mean 0.5 and std 0.5" in told.err
    card = json.loads((tmp_path / "told.engine.json").read_text())["card"]
    assert card["normalisation"] == {"mean": [0.5], "std": [0.5]}
    assert "Sneaker" in card["labels"]
    silent = nnc(*line, "-o", tmp_path / "silent.engine")
    assert silent.code == 0
    assert "does not say how its images are normalised" in silent.err
    assert silent.err.count("\n") == 1


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize(
    "option",
    [("--calibration", "mse"), ("--tool", "adaround"), ("--no-max-drop",), ("--seed", 3)],
    ids=lambda words: words[0],
)
def test_how_to_calibrate_is_refused_where_nothing_is(
    nnc, tmp_path, tiny_onnx, qdq_onnx, precision, option
) -> None:
    pytest.importorskip("tensorrt_rtx")
    source = qdq_onnx if precision == "int8" else tiny_onnx
    output = tmp_path / "out.engine"
    result = nnc("quantise", source, *ENGINE, "--precision", precision, *option, "-o", output)
    assert (result.code, result.out) == (2, "")
    why = f"{source} is int8 already" if precision == "int8" else "fp32 takes no images"
    assert result.err == f"nnc: error: {why}, so {option[0]} says nothing here; leave it out\n"
    assert list(tmp_path.iterdir()) == []


def test_american_spelling(nnc, tmp_path, tiny_onnx) -> None:
    pytest.importorskip("tensorrt_rtx")
    output = tmp_path / "out.engine"
    line = ("--backend", "trt", "--flavor", "rtx", "--target-gpu", "8.9", "--precision", "fp32")
    assert nnc("quantize", tiny_onnx, *line, "-o", output).code == 0
    assert output.exists()


def test_a_folder_is_no_model(nnc, tmp_path) -> None:
    result = nnc("quantise", tmp_path, "--backend", "trt")
    assert (result.code, result.out) == (2, "")
    assert result.err == f"nnc: error: {tmp_path} is a directory; expected a file\n"


def test_an_engine_is_no_model(nnc, tmp_path) -> None:
    path = tmp_path / "net.engine"
    path.write_bytes(b"vtrt")
    result = nnc("quantise", path, "--backend", "trt")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"nnc: error: {path} is what this command makes; expected a file")


def test_ctrl_c_in_the_middle_of_a_build_leaves_nothing(
    nnc, tmp_path, tiny_onnx, monkeypatch
) -> None:
    pytest.importorskip("tensorrt_rtx")
    from nnc.exporters.trt import engine

    heard = []

    def listening(library, sink):
        def listen(severity, text):
            if heard == ["the build begins"]:
                heard.append(text)
                signal.raise_signal(signal.SIGINT)
            sink(severity, text)

        return new_logger(library, listen)

    def build_plan(*arguments):
        heard.append("the build begins")
        return build(*arguments)

    build, new_logger = engine.build_plan, engine.new_logger
    monkeypatch.setattr(engine, "new_logger", listening)
    monkeypatch.setattr(engine, "build_plan", build_plan)
    output = tmp_path / "out.engine"
    result = nnc("quantise", tiny_onnx, *ENGINE, "--precision", "fp32", "-o", output)
    assert result.code == 130
    assert result.err == "nnc: interrupted; nothing half-written was left behind\n"
    assert len(heard) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_plan_for_tensorrt_is_no_plan_for_a_cpu(nnc, tmp_path, tiny_onnx, small_npz) -> None:
    pytest.importorskip("tensorrt_rtx")
    line = ("--data", small_npz, "--no-max-drop", "--calibration", "minmax")
    result = nnc("quantise", tiny_onnx, *ENGINE, *line, "--json", "-o", tmp_path / "a.engine")
    plan = tmp_path / "plan.json"
    plan.write_text(result.out)
    history = json.loads(result.out)["sidecar"]["card"]["history"]
    assert "--samples 512 --calibration minmax --seed 0" in history[-1]["command"]
    other = ("--data", small_npz, "--plan", plan, "-o", tmp_path / "a.int8.onnx")
    result = nnc("quantise", tiny_onnx, *other)
    assert result.code == 2
    assert "the plan was made for TensorRT; pass --backend trt" in result.err
