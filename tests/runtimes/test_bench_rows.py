"""Which rows a bench has, and which of them is the baseline."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnc.errors import InputError
from nnc.runtimes.artifact import read_artifact
from nnc.runtimes.base import DEFAULT_OPTIONS
from nnc.runtimes.bench import BenchSettings
from nnc.runtimes.bench.rows import bench_rows


@pytest.fixture
def artifacts(tiny, tmp_path):
    """A checkpoint, an ONNX file and an engine, as far as rows are concerned."""
    onnx = read_artifact(tiny())
    return [
        replace(onnx, path=tmp_path / "a.safetensors", kind="checkpoint"),
        onnx,
        replace(onnx, path=tmp_path / "a.engine", kind="engine"),
    ]


def rows(artifacts, *devices, torch_compile=False):
    found = bench_rows(artifacts, devices, DEFAULT_OPTIONS, torch_compile=torch_compile)
    return [
        (row.artifact.path.suffix, row.device, *["compiled"] * row.options.compiled)
        for row in found
    ]


def test_a_row_for_each_file_and_an_engine_on_the_gpu(artifacts):
    assert rows(artifacts, "cpu") == [
        (".safetensors", "cpu"),
        (".onnx", "cpu"),
        (".engine", "cuda"),
    ]


def test_both_devices_and_compiled_checkpoints(artifacts):
    assert rows(artifacts, "cuda", "cpu", torch_compile=True) == [
        (".safetensors", "cuda"),
        (".safetensors", "cuda", "compiled"),
        (".onnx", "cuda"),
        (".engine", "cuda"),
        (".safetensors", "cpu"),
        (".safetensors", "cpu", "compiled"),
        (".onnx", "cpu"),
    ]


def test_devices_are_checked():
    assert BenchSettings(device="cuda,cpu", provider="tensorrt").devices == ("cuda", "cpu")
    for device in ("gpu", "cpu,", "", "cpu,tpu"):
        with pytest.raises(InputError, match="expected one of cpu, cuda"):
            BenchSettings(device=device)
    with pytest.raises(InputError, match="use --device cuda"):
        BenchSettings(device="cpu", provider="cuda")
