"""Runtimes: the same numbers as NumPy and PyTorch, nothing before entry, one-line errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnc.errors import InputError, MissingError
from nnc.runtimes.base import RuntimeOptions
from nnc.runtimes.preprocess import normalise
from nnc.runtimes.registry import RUNTIMES, open_runtime


def test_normalise_scales_each_channel(net):
    from nnc.model_card import InputSpec

    spec = InputSpec(3, 2, 4, (0.0, 0.5, 1.0), (1.0, 0.5, 0.25))
    images = np.random.default_rng(0).integers(0, 256, (5, 2, 4, 3), dtype=np.uint8)
    batch = normalise(images, spec)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    expected = (images / 255 - np.array(spec.mean)) / np.array(spec.std)
    np.testing.assert_allclose(batch, expected.transpose(0, 3, 1, 2), atol=1e-6)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 8, 8, 1), np.float32),
        np.zeros((1, 8, 9, 1), np.uint8),
        np.zeros((1, 8, 8, 3), np.uint8),
        np.zeros((8, 8, 1), np.uint8),
    ],
    ids=["dtype", "size", "channels", "axes"],
)
def test_normalise_refuses_other_images(net, images):
    with pytest.raises(InputError, match="expected uint8"):
        normalise(images, net.SPEC)


def test_onnx_runtime_returns_what_numpy_does(tiny, net):
    pytest.importorskip("onnxruntime")
    batch = np.random.default_rng(1).normal(size=(5, 1, 8, 8)).astype(np.float32)
    with open_runtime(tiny()) as runtime:
        assert runtime.inputs[0].shape == (None, 1, 8, 8)
        assert runtime.inputs[0].dtype == "float32"
        result = runtime.run({"x": batch})
    np.testing.assert_allclose(result["y"], net.expected_scores(batch), rtol=1e-4, atol=1e-5)


def test_onnx_runtime_errors_are_one_line(tiny, tmp_path):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"\x08\x07" + bytes(100))
    with pytest.raises(InputError, match="cannot load it") as caught, open_runtime(path):
        pass
    assert "\n" not in str(caught.value)
    with open_runtime(tiny()) as runtime:
        for feeds in ({"z": np.zeros((1, 1, 8, 8), np.float32)}, {"x": np.zeros((1, 1, 8, 8))}):
            with pytest.raises(InputError, match="cannot run it") as caught:
                runtime.run(feeds)
            assert "\n" not in str(caught.value)


def test_nothing_happens_before_entry(tmp_path):
    for suffix in RUNTIMES:
        runtime = open_runtime(tmp_path / f"none{suffix}")
        assert runtime.inputs == ()
        with pytest.raises(RuntimeError, match="outside its with block"):
            runtime.run({})


@pytest.mark.parametrize(("device", "threads"), [("tpu", 1), ("cpu", 0), ("cpu", True)])
def test_bad_places_are_refused(tmp_path, device, threads):
    with pytest.raises(InputError, match="expected"):
        open_runtime(tmp_path / "a.onnx", device, threads)


def test_a_missing_provider_names_the_extra(tiny):
    ort = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(MissingError, match=r"pip install .*\[gpu\]"), open_runtime(tiny(), "cuda"):
        pass


def test_pytorch_runs_a_checkpoint_as_the_module_does(tmp_path):
    torch = pytest.importorskip("torch")
    from nnc.model_card import InputSpec, ModelCard
    from nnc.models import build, save

    network = build("shufflenet", num_classes=4, in_channels=1).eval()
    path = tmp_path / "net.safetensors"
    save(path, network, ModelCard(InputSpec(1, 28, 28, (0,), (1,)), tuple("abcd"), "shufflenet"))
    batch = np.random.default_rng(0).normal(size=(2, 1, 28, 28)).astype(np.float32)
    before = torch.get_num_threads()
    with open_runtime(path, threads=1) as runtime:
        assert torch.get_num_threads() == 1
        result = runtime.run({"input": batch})["logits"]
        with pytest.raises(InputError, match="expected float32"):
            runtime.run({"input": batch[:, :, :9]})
    assert torch.get_num_threads() == before
    with torch.inference_mode():
        expected = network(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@pytest.fixture
def checkpoint(tmp_path):
    pytest.importorskip("torch")
    from nnc.model_card import InputSpec, ModelCard
    from nnc.models import build, save

    path = tmp_path / "net.safetensors"
    card = ModelCard(InputSpec(1, 28, 28, (0,), (1,)), tuple("abcd"), "shufflenet")
    save(path, build("shufflenet", num_classes=4, in_channels=1).eval(), card)
    return path


def test_pytorch_compiles_where_it_is_told_to(checkpoint, monkeypatch):
    import torch

    compiled = []
    monkeypatch.setattr(torch, "compile", lambda network: compiled.append(network) or network)
    batch = np.zeros((1, 1, 28, 28), np.float32)
    with open_runtime(checkpoint, options=RuntimeOptions(compiled=True)) as runtime:
        assert runtime.name == "pytorch-compiled"
        assert runtime.run({"input": batch})["logits"].shape == (1, 4)
    assert len(compiled) == 1
    with open_runtime(checkpoint) as runtime:
        assert runtime.name == "pytorch"
    assert len(compiled) == 1


def test_what_cannot_be_compiled_here_is_one_line(checkpoint, monkeypatch):
    import torch

    def refuse(_network):
        def fail(_batch):
            raise RuntimeError("No working C++ compiler found\nin a long trace")

        return fail

    monkeypatch.setattr(torch, "compile", refuse)
    options = RuntimeOptions(compiled=True)
    with open_runtime(checkpoint, options=options) as runtime:
        with pytest.raises(
            MissingError, match=r"No working C\+\+ compiler.*--torch-compile"
        ) as info:
            runtime.run({"input": np.zeros((1, 1, 28, 28), np.float32)})
        assert "\n" not in str(info.value)


def test_importing_every_module_loads_nothing_heavy():
    folder = Path(__file__).parents[2] / "runtimes"
    files = [path.relative_to(folder).with_suffix("") for path in folder.rglob("*.py")]
    names = [".".join(("nnc.runtimes", *path.parts)) for path in files]
    code = (
        f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\n"
        "print({'torch', 'onnx', 'onnxruntime', 'safetensors', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
