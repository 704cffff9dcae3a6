"""The two ways to a GPU's memory: the names they use are there, and no GPU is one line."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nnc.errors import MissingError, NncError
from nnc.runtimes.gpu import device as gpu
from nnc.runtimes.gpu.driver import Device, first_device

ROOT = Path(__file__).parents[3]
no_gpu = pytest.mark.skipif(first_device() is not None, reason="there is a GPU here")


def _cuda_calls() -> set[str]:
    tree = ast.parse((ROOT / "runtimes" / "gpu" / "cuda_python.py").read_text(encoding="utf-8"))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("cuda")
    }


def test_every_call_is_in_cuda_python():
    runtime = pytest.importorskip("cuda.bindings.runtime")
    calls = _cuda_calls()
    assert {"cudaMalloc", "cudaGraphLaunch", "cudaEventElapsedTime"} <= calls
    members = {
        "cudaMemcpyHostToDevice": runtime.cudaMemcpyKind,
        "cudaMemcpyDeviceToHost": runtime.cudaMemcpyKind,
        "cudaStreamCaptureModeThreadLocal": runtime.cudaStreamCaptureMode,
    }
    for name in calls:
        assert hasattr(members.get(name, runtime), name), name


@no_gpu
def test_every_call_takes_what_it_is_given():
    """Without a GPU each call answers with an error of CUDA's, not of Python's."""
    runtime = pytest.importorskip("cuda.bindings.runtime")
    from nnc.runtimes.gpu.cuda_python import CudaPythonGpu

    made = object.__new__(CudaPythonGpu)
    made._cuda, made._stream = runtime, runtime.cudaStream_t(0)
    made._events = [runtime.cudaEvent_t(0) for _ in range(4)]
    made._device, made._host, made._graph = [], [], runtime.cudaGraphExec_t(0)
    host = np.zeros(64, np.uint8)
    for call in (
        lambda: made.allocate(64),
        lambda: made.pinned(64),
        lambda: made.to_device(host.ctypes.data, host),
        lambda: made.to_host(host, host.ctypes.data),
        lambda: made.mark(0),
        lambda: made.between(0, 1),
        made.synchronise,
    ):
        with pytest.raises(NncError, match=r"CUDA error \d+: "):
            call()
    assert made.capture(lambda: True) is None
    for error in (
        runtime.cudaGraphInstantiateWithFlags(runtime.cudaGraph_t(0), 0)[0],
        runtime.cudaGraphLaunch(runtime.cudaGraphExec_t(0), made._stream)[0],
    ):
        assert int(error) != 0
    made._device, made._host = [4096], [host.ctypes.data]
    made.close()


@no_gpu
def test_cuda_python_without_a_gpu_is_one_line():
    pytest.importorskip("cuda.bindings.runtime")
    with pytest.raises(MissingError, match=r"no usable NVIDIA GPU here \(CUDA error \d+: "):
        gpu.open_gpu()


@no_gpu
def test_pytorch_without_a_gpu_is_one_line(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(gpu, "has_cuda_python", lambda: False)
    with pytest.raises(MissingError, match="PyTorch finds no usable NVIDIA GPU here"):
        gpu.open_gpu()


def test_pytorch_has_what_is_used():
    torch = pytest.importorskip("torch")
    for name in ("CUDAGraph", "Event", "Stream", "graph", "set_device", "stream"):
        assert hasattr(torch.cuda, name), name
    assert hasattr(torch, "OutOfMemoryError")
    assert {"stream", "capture_error_mode"} <= set(
        inspect.signature(torch.cuda.graph.__init__).parameters
    )


def test_without_either_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match="pip install cuda-python"):
        gpu.open_gpu()


@pytest.mark.parametrize("backend", ["cuda_python.CudaPythonGpu", "pytorch.TorchGpu"])
def test_both_ways_offer_the_whole_protocol(backend):
    module, name = backend.split(".")
    kind = getattr(importlib.import_module(f"nnc.runtimes.gpu.{module}"), name)
    wanted = {key for key in vars(gpu.Gpu) if not key.startswith("_")}
    assert wanted <= set(vars(kind))
    for key in wanted:
        assert (
            inspect.signature(getattr(kind, key)).parameters.keys()
            == inspect.signature(getattr(gpu.Gpu, key)).parameters.keys()
        )


class CountingCuda:
    """The calls of a capture, and how many graphs are alive."""

    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=0)  # noqa: N815

    def __init__(self):
        self.graphs, self.launchables = set(), set()

    def cudaStreamBeginCapture(self, stream, mode):  # noqa: N802
        return (0,)

    def cudaStreamEndCapture(self, stream):  # noqa: N802
        self.graphs.add("graph")
        return 0, "graph"

    def cudaGraphInstantiateWithFlags(self, graph, flags):  # noqa: N802
        self.launchables.add(len(self.launchables))
        return 0, max(self.launchables)

    def cudaGraphDestroy(self, graph):  # noqa: N802
        self.graphs.remove(graph)

    def cudaGraphExecDestroy(self, launchable):  # noqa: N802
        self.launchables.remove(launchable)


def test_one_graph_is_alive_at_most():
    from nnc.runtimes.gpu.cuda_python import CudaPythonGpu

    made = object.__new__(CudaPythonGpu)
    made._cuda = cuda = CountingCuda()
    made._stream, made._graph = None, None

    def broken():
        raise KeyError("mine")

    for _ in range(3):
        assert made.capture(lambda: True) is not None
        assert (len(cuda.graphs), len(cuda.launchables)) == (0, 1)
    assert made.capture(lambda: False) is None
    with pytest.raises(KeyError):
        made.capture(broken)
    assert (cuda.graphs, cuda.launchables) == (set(), set())


def test_where_cuda_python_does_not_work_pytorch_is_tried(monkeypatch):
    def fail():
        raise MissingError("made for a later CUDA")

    monkeypatch.setattr(gpu, "has_cuda_python", lambda: True)
    monkeypatch.setattr("nnc.runtimes.gpu.cuda_python.CudaPythonGpu", fail)
    monkeypatch.setattr("nnc.runtimes.gpu.pytorch.TorchGpu", lambda: "PyTorch's")
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(gpu, "first_device", lambda: Device("Orin", 87, "12.6"))
    assert gpu.open_gpu() == "PyTorch's"
    monkeypatch.setattr(gpu, "first_device", lambda: None)
    with pytest.raises(MissingError, match="made for a later CUDA"):
        gpu.open_gpu()
