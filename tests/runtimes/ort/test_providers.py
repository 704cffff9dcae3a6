"""ONNX Runtime's providers: which there are, what falls back, and bound inputs and outputs."""

from __future__ import annotations

import numpy as np
import pytest

from nnc.errors import InputError, MissingError
from nnc.runtimes.base import PROVIDERS, RuntimeOptions
from nnc.runtimes.bench import BenchSettings
from nnc.runtimes.gpu.driver import first_device
from nnc.runtimes.ort.binding import BoundSession, can_bind
from nnc.runtimes.ort.providers import PROVIDER_NAMES, left_to_cpu
from nnc.runtimes.registry import open_runtime

ort = pytest.importorskip("onnxruntime")


def test_an_unknown_provider_is_refused():
    with pytest.raises(InputError, match="expected one of cuda, tensorrt, nv-tensorrt-rtx"):
        RuntimeOptions(provider="rocm")


def test_a_provider_on_the_cpu_is_refused():
    with pytest.raises(InputError, match="use --device cuda"):
        BenchSettings(provider="cuda")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_missing_provider_is_one_line(tiny, provider):
    if PROVIDER_NAMES[provider] in ort.get_available_providers():
        pytest.skip("this ONNX Runtime has it")
    runtime = open_runtime(tiny(), "cuda", options=RuntimeOptions(provider=provider))
    with pytest.raises(MissingError, match=r"pip install|RTX GPU|cannot be loaded") as caught:
        runtime.__enter__()
    assert "\n" not in str(caught.value)


def test_nodes_on_the_cpu_are_named(tiny):
    if not hasattr(ort.InferenceSession, "get_provider_graph_assignment_info"):
        pytest.skip("this ONNX Runtime does not tell")
    settings = ort.SessionOptions()
    settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = ort.InferenceSession(tiny(), settings, providers=["CPUExecutionProvider"])
    nodes = left_to_cpu(session)
    assert "conv (Conv)" in nodes
    assert any(node.endswith("(Gemm)") for node in nodes)


def test_memory_is_handed_out_where_there_is_any():
    assert can_bind(ort, "cpu")
    if first_device() is None:
        assert not can_bind(ort, "cuda")


def test_bound_inputs_and_outputs_give_the_same(tiny, net):
    session = ort.InferenceSession(tiny(), providers=["CPUExecutionProvider"])
    bound = BoundSession(ort, session, ["y"], "cpu")
    source = np.random.default_rng(0)
    for size in (2, 2, 5, 1, 2):
        batch = source.normal(size=(size, 1, 8, 8)).astype(np.float32)
        (found,) = bound.run({"x": batch})
        np.testing.assert_allclose(found, net.expected_scores(batch), rtol=1e-4, atol=1e-5)
        assert bound.times.compute > 0


def test_bound_inputs_that_misfit_raise(tiny):
    session = ort.InferenceSession(tiny(), providers=["CPUExecutionProvider"])
    bound = BoundSession(ort, session, ["y"], "cpu")
    bound.run({"x": np.zeros((1, 1, 8, 8), np.float32)})
    for feeds in ({"z": np.zeros((1, 1, 8, 8), np.float32)}, {"x": np.zeros((1, 1, 8, 8))}):
        with pytest.raises(Exception, match=r"."):
            bound.run(feeds)
