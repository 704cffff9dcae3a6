"""What commands print: the closing line, one JSON object, tables that fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from nnc.toolchain.cli.options import data_options
from nnc.toolchain.data import DATA_NAMES
from nnc.toolchain.report.plain_text import byte_size

from .conftest import UNGUARDED


def test_quantise_ends_with_path_and_size(nnc, tmp_path, tiny_onnx, small_npz):
    output = tmp_path / "out.int8.onnx"
    result = nnc(
        "quantise", tiny_onnx, *UNGUARDED, "--data", small_npz, "--samples", 40, "-o", output
    )
    assert (result.code, result.err) == (0, "")
    assert result.last_line == f"wrote {output} ({byte_size(output.stat().st_size)})"
    assert "minmax calibration on 40 images" in result.out


def test_quiet_leaves_the_closing_line_alone(nnc, tmp_path, tiny_onnx, small_npz):
    output = tmp_path / "out.onnx"
    result = nnc("quantize", tiny_onnx, *UNGUARDED, "--data", small_npz, "-q", "-o", output)
    assert result.out == f"wrote {output} ({byte_size(output.stat().st_size)})\n"


def test_json_is_one_object(nnc, tmp_path, tiny_onnx, small_npz):
    output = tmp_path / "out.onnx"
    result = nnc("quantise", tiny_onnx, *UNGUARDED, "--data", small_npz, "--json", "-o", output)
    value = json.loads(result.out)
    assert value["output"] == str(output)
    assert value["size_bytes"] == output.stat().st_size


def test_the_default_output_stands_beside_the_input(nnc, tmp_path, tiny_onnx, small_npz):
    model = tmp_path / "net.onnx"
    model.write_bytes(tiny_onnx.read_bytes())
    assert nnc("quantise", model, *UNGUARDED, "--data", small_npz).code == 0
    assert (tmp_path / "net.int8.onnx").is_file()


def test_force_replaces_the_output(nnc, tmp_path, tiny_onnx, small_npz):
    output = tmp_path / "out.onnx"
    output.write_text("old")
    assert (
        nnc("quantise", tiny_onnx, *UNGUARDED, "--data", small_npz, "-o", output, "--force").code
        == 0
    )
    assert output.stat().st_size > 100


def test_checkpoint_to_onnx_to_int8_to_table(nnc, tmp_path, checkpoint):
    """The recorded data set is found without --data, and the figures agree with each other."""
    exported, int8 = tmp_path / "net.onnx", tmp_path / "net.int8.onnx"
    assert nnc("export", checkpoint, "-o", exported).code == 0
    assert nnc("quantise", exported, *UNGUARDED, "--samples", 32).code == 0
    arguments = ["--images", 100, "--seconds", 0.2, "--rounds", 6, "--json"]
    result = nnc("bench", checkpoint, exported, int8, *arguments)
    assert result.code == 0, result.err
    value = json.loads(result.out)
    assert value["schema_version"] == 2
    assert [entry["runtime"] for entry in value["files"]] == [
        "pytorch", "onnxruntime", "onnxruntime",
    ]  # fmt: skip
    for entry in value["files"]:
        assert entry["accuracy"]["images"] == 100
        assert entry["latency"][0]["speedup"]["ratio"] > 0
        assert entry["device"] == "cpu"
    sizes = [entry["size"]["bytes"] for entry in value["files"]]
    assert sizes[2] < 0.4 * sizes[0]


def test_inspect_tells_and_lists(nnc, tiny_onnx):
    result = nnc("inspect", tiny_onnx, "--layers")
    assert result.code == 0
    for words in (
        "run by onnxruntime",
        "architecture   mobilenet",
        "input          float32 [N, 1, 28, 28]",
        "labels         10: T-shirt/top, Trouser",
        "history 1      train",
        "operator",
    ):
        assert words in result.out, words
    value = json.loads(nnc("inspect", tiny_onnx, "--json").out)
    assert value["parameters"] == 8 * 9 + 8 + 16 * 8 * 9 + 16 + 16 * 10 + 10
    assert value["macs"] == 14 * 14 * 8 * 9 + 7 * 7 * 16 * 72 + 160
    assert len(value["layers"]) >= 3


def test_labels_of_a_foreign_file(nnc, tmp_path, foreign_onnx):
    names = tmp_path / "labels.txt"
    names.write_text("\n".join(f"class {i} \x1b[31m" for i in range(10)))
    result = nnc("inspect", foreign_onnx, "--labels", names)
    assert "10: class 0 [31m, class 1" in result.out
    assert "\x1b" not in result.out
    value = json.loads(
        nnc("inspect", foreign_onnx, "--labels", ",".join("abcdefghij"), "--json").out
    )
    assert value["labels"] == list("abcdefghij")
    assert value["own_metadata"] is False


def test_doctor_reports_and_succeeds(nnc, monkeypatch):
    result = nnc("doctor")
    assert result.code == 0
    assert "ONNX Runtime" in result.out
    assert "CPUExecutionProvider" in result.out
    value = json.loads(nnc("doctor", "--json").out)
    assert {backend["name"] for backend in value["backends"]} == {
        "PyTorch", "ONNX export", "ONNX Runtime", "figures", "TensorRT", "TensorRT for RTX",
    }  # fmt: skip
    assert all(backend["available"] == (not backend["add"]) for backend in value["backends"])


def test_doctor_finds_two_onnxruntimes(nnc, monkeypatch):
    from importlib import metadata

    known = metadata.version

    def version(name: str) -> str:
        return "1.31" if name == "onnxruntime-gpu" else known(name)

    monkeypatch.setattr(metadata, "version", version)
    result = nnc("doctor")
    assert result.code == 0
    assert (
        "problem: onnxruntime and onnxruntime-gpu are both installed and overwrite each other; "
        "mend it with: pip uninstall -y onnxruntime onnxruntime-gpu && pip install" in result.out
    )


def test_doctor_does_not_import_torch():
    code = (
        "import sys; from nnc.toolchain.cli.main import run_command_line\n"
        "run_command_line(['doctor', '-q']); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_the_help_names_every_data_set():
    decorated = data_options(None, "x")(lambda: None)
    (option,) = [o for o in decorated.__click_params__ if o.name == "data"]
    assert all(name in option.help for name in DATA_NAMES)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_nothing_but_results_when_stderr_is_no_terminal(tmp_path, tiny_onnx, small_npz):
    command = [
        *(sys.executable, "-m", "nnc", "quantise", str(tiny_onnx), "--data", str(small_npz)),
        *UNGUARDED,
        *("-o", str(tmp_path / "out.onnx")),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
