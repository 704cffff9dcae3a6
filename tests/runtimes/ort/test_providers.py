"""ONNX Runtime's providers: which there are, what falls back, and bound inputs and outputs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from nnc.errors import InputError, MissingError
from nnc.runtimes.base import PROVIDERS, RuntimeOptions
from nnc.runtimes.bench import BenchSettings
from nnc.runtimes.gpu.driver import first_device
from nnc.runtimes.ort.binding import BoundSession, can_bind
from nnc.runtimes.ort.providers import (
    PROVIDER_NAMES,
    _first_gpu,
    left_to_others,
    start_session,
)
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
    (left,) = left_to_others(session, "cuda")
    assert "node(s) to the CPU (" in left
    assert "conv (Conv)" in left
    assert left_to_others(session, "cpu") == ()


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


class Pretending:
    """An ONNX Runtime with GPU providers; what they do, ``start`` says."""

    def __init__(self, start):
        self.asked = []

        def session(path, settings, providers=None, **kwargs):
            self.asked.append((providers, kwargs))
            if providers == ["CPUExecutionProvider"]:
                return ort.InferenceSession(path, settings, providers=providers)
            # Else ONNX Runtime prints a banner and goes on with another provider.
            assert kwargs == {"enable_fallback": 0}
            return start(providers)

        session.get_provider_graph_assignment_info = None
        self.InferenceSession = session

    def __getattr__(self, name):
        return getattr(ort, name)

    def get_available_providers(self):
        return list(PROVIDER_NAMES.values())[:3]

    def preload_dlls(self):
        pass


def start(fake, path, provider, *, allow_fallback=False):
    options = RuntimeOptions(provider=provider, allow_fallback=allow_fallback)
    return start_session(fake, path, device="cuda", threads=1, options=options)


def test_why_a_provider_cannot_start_is_said_in_one_line(tiny, capfd):
    def fail(providers):
        raise RuntimeError("CUDA failure 35: CUDA driver version is insufficient\nat here")

    with pytest.raises(
        MissingError, match=r"cannot start with it here \(CUDA failure 35: "
    ) as caught:
        start(Pretending(fail), tiny(), "cuda")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_unsound_is_not_the_providers_fault(tmp_path):
    def fail(providers):
        raise RuntimeError("not a model")

    path = tmp_path / "odd.onnx"
    path.write_bytes(b"nonsense")
    with pytest.raises(InputError, match="ONNX Runtime cannot load it: not a model"):
        start(Pretending(fail), path, "cuda")


def assigned(**parts):
    """A session whose nodes went to these providers, by the names that users type."""
    found = [
        SimpleNamespace(
            ep_name=PROVIDER_NAMES[name],
            get_nodes=lambda nodes=nodes: [SimpleNamespace(name=n, op_type="Op") for n in nodes],
        )
        for name, nodes in parts.items()
    ]
    return SimpleNamespace(
        get_providers=lambda: [PROVIDER_NAMES[next(iter(parts))]],
        get_provider_graph_assignment_info=lambda: found,
    )


def test_what_tensorrt_leaves_to_cuda_is_refused_by_name(tiny):
    fake = Pretending(lambda providers: assigned(tensorrt=["a"], cuda=list("bcdefg"), cpu=["h"]))
    with pytest.raises(MissingError) as caught:
        start(fake, tiny(), "tensorrt")
    assert (
        "tensorrt leaves 6 node(s) to CUDA (b (Op), c (Op), d (Op), e (Op) and 2 more); "
        "1 node(s) to the CPU (h (Op)); pass --allow-fallback"
    ) in str(caught.value)
    session = start(fake, tiny(), "tensorrt", allow_fallback=True)
    assert len(left_to_others(session, "tensorrt")) == 2
    assert fake.asked[0][0] == [PROVIDER_NAMES["tensorrt"], PROVIDER_NAMES["cuda"]]


def test_a_whole_network_on_one_provider_is_taken(tiny):
    session = start(Pretending(lambda providers: assigned(tensorrt=["a"])), tiny(), "tensorrt")
    assert left_to_others(session, "tensorrt") == ()


def test_of_several_gpus_a_plug_in_gets_the_first():
    def device(**said):
        return SimpleNamespace(ep_options={}, ep_metadata=said, device=SimpleNamespace(metadata={}))

    devices = [device(cuda_device_id="1"), device(cuda_device_id="0")]
    assert _first_gpu(devices) is devices[1]
    silent = [device(), device()]
    assert _first_gpu(silent) is silent[0]
