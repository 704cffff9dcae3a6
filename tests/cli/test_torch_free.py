"""The deploying half without torch: quantise, bench, inspect, doctor.

`make test-torch-free` names the interpreter of an environment that has no torch in
NNC_TORCH_FREE_PYTHON. Without it, this environment's interpreter runs with torch hidden.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..made_bench import FILES, bench_result
from .conftest import UNGUARDED

PYTHON = os.environ.get("NNC_TORCH_FREE_PYTHON", "")

# Read by every interpreter at its start, the bench's own processes included.
HIDE_TORCH = """
import sys
sys.modules.update(dict.fromkeys(["torch", "torchvision", "onnxscript"]))
"""


@pytest.fixture
def torch_free(tmp_path):
    """Run the command line where torch cannot be imported."""
    environment = dict(os.environ)
    if not PYTHON:
        (tmp_path / "hidden").mkdir()
        (tmp_path / "hidden" / "sitecustomize.py").write_text(HIDE_TORCH)
        environment["PYTHONPATH"] = str(tmp_path / "hidden")

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [PYTHON or sys.executable, "-m", "nnc", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=tmp_path
        )

    return call


def test_torch_is_really_missing(torch_free, checkpoint, tmp_path):
    done = torch_free("export", checkpoint, "-o", tmp_path / "x.onnx")
    assert (done.returncode, done.stdout) == (4, "")
    assert "torch" in done.stderr
    assert "pip install" in done.stderr
    assert done.stderr.count("\n") == 1


def test_quantise_bench_and_inspect(torch_free, tiny_onnx, small_npz, tmp_path):
    output = tmp_path / "int8.onnx"
    done = torch_free("quantise", tiny_onnx, *UNGUARDED, "--data", small_npz, "-o", output)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith(f"wrote {output} (")

    done = torch_free(
        *("bench", tiny_onnx, output, "--data", small_npz),
        *("--rounds", 6, "--seconds", 0.1, "--json"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    files = json.loads(done.stdout)["files"]
    assert [entry["accuracy"]["images"] for entry in files] == [40, 40]

    done = torch_free("inspect", output, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["history"][-1]["stage"] == "quantise"


def test_inspect_a_checkpoint(torch_free, checkpoint):
    done = torch_free("inspect", checkpoint)
    assert (done.returncode, done.stderr) == (0, "")
    assert "architecture   mobilenet" in done.stdout


def test_bench_of_a_checkpoint_says_what_is_missing(torch_free, checkpoint):
    done = torch_free("bench", checkpoint, "--no-accuracy")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["train --arch mobilenet -o x.safetensors", "prune"])
def test_training_says_what_is_missing(torch_free, checkpoint, command):
    words = command.split()
    if words == ["prune"]:
        words += [str(checkpoint), "--sensitivity", "0.3", "-o", "x.safetensors"]
    done = torch_free(*words)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("nnc: error: this needs the package torch")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not PYTHON, reason="TensorRT may be installed here")
def test_without_tensorrt_its_extras_are_named(torch_free, tiny_onnx, small_npz, tmp_path):
    output = tmp_path / "net.engine"
    line = ("quantise", tiny_onnx, "--backend", "trt", "--data", small_npz, "-o", output)
    done = torch_free(*line)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.count("\n") == 1
    for extra in ("[trt]", "[rtx]"):
        assert f'{extra}" (' in done.stderr
    assert "CUDA 13" in done.stderr
    assert list(tmp_path.iterdir()) == []

    done = torch_free(*line, "--no-max-drop", "--calibration", "minmax", "--keep-onnx")
    assert done.returncode == 4
    assert "nnc quantise net.qdq.onnx --backend trt -o net.engine" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["net.qdq.onnx"]
    done = torch_free("bench", tmp_path / "net.qdq.onnx", "--data", small_npz, "--seconds", 0.1)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not PYTHON, reason="what is installed here is known to doctor")
def test_doctor_names_the_command_that_adds_torch(torch_free):
    done = torch_free("doctor", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    backends = {backend["name"]: backend for backend in json.loads(done.stdout)["backends"]}
    assert backends["ONNX Runtime"]["available"]
    assert backends["PyTorch"]["missing"] == ["torch", "torchvision"]
    root = Path(__file__).resolve().parents[2]
    assert backends["PyTorch"]["add"] == f'pip install -e "{root}[train]"'


def test_doctor(torch_free):
    done = torch_free("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert "CPUExecutionProvider" in done.stdout


def test_compact(torch_free, tiny_onnx, tmp_path):
    done = torch_free("compact", tiny_onnx, "-o", tmp_path / "small.onnx")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith(f"wrote {tmp_path / 'small.onnx'} (")


def test_compare_and_report_read_saved_results(torch_free, tmp_path):
    saved = tmp_path / "bench.json"
    saved.write_text(json.dumps(bench_result(FILES[:2], images=50)))
    done = torch_free("compare", saved, saved, "--max-drop", 50)
    assert done.returncode == 0
    assert "OLD and NEW hold one and the same result" in done.stderr
    assert "no difference shown" in done.stdout
    done = torch_free("report", saved, "-o", tmp_path / "report.md")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "report.md").read_text().startswith("# bench\n")
