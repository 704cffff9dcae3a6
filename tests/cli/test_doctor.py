"""``nnc doctor`` where there is a GPU, which the machine of the tests need not have."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nnc.runtimes.gpu.driver import Device
from nnc.runtimes.install import install_command
from nnc.runtimes.trt.compat import Library
from nnc.toolchain import diagnosis, tensorrt_state


def test_an_onnx_runtime_for_the_cpu_is_no_problem(nnc, monkeypatch):
    known = {**diagnosis.describe_environment(), "gpus": ["NVIDIA GeForce RTX 4090, 580.1"]}
    monkeypatch.setattr(diagnosis, "describe_environment", lambda: known)
    monkeypatch.setattr(diagnosis, "_providers", lambda: (("CPUExecutionProvider",), ""))
    monkeypatch.setattr(diagnosis, "_torch_cuda", lambda: "13.0")
    result = nnc("doctor")
    assert result.code == 0
    assert "problem: " not in result.out
    assert "pip uninstall" not in result.out
    (line,) = [line for line in result.out.splitlines() if line.startswith("hint: ")]
    assert line.endswith(f"in an environment of its own: {install_command('gpu')}")


@pytest.mark.parametrize(("driver", "works"), [("12.6", False), ("13.0", True), ("", True)])
def test_a_driver_for_an_earlier_cuda_runs_nothing(monkeypatch, driver, works):
    module = SimpleNamespace(IBuilderConfig=None)
    library = Library("tensorrt", "10.13.0.35", "13", module)
    monkeypatch.setattr(tensorrt_state, "load_library", lambda flavour: library)
    monkeypatch.setattr(tensorrt_state, "has_cuda_python", lambda: True)
    state = tensorrt_state._state("tensorrt", Device("A10", 86, driver))
    if works:
        assert state.runs.startswith("its engines, on the GPU of this machine (A10, 8.6)")
        assert state.builds.startswith("for the GPU of this machine")
    else:
        why = "nothing: it is built for CUDA 13, and the driver serves 12.6 at most; update that"
        assert (state.runs, state.builds) == (why, why)
