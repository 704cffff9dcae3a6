"""What `TrtRuntime` does once an engine is loaded, on a GPU that is host memory."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from nnc.errors import InputError, MissingError, NncError
from nnc.runtimes.base import DeviceTimes, Noted, TensorSpec
from nnc.runtimes.gpu.driver import Device
from nnc.runtimes.registry import open_runtime
from nnc.runtimes.trt import runtime as trt_runtime
from nnc.runtimes.trt.compat import Library
from nnc.runtimes.trt.sidecar import sidecar_path

from .gpu_in_memory import LAYOUT, MODES, MemoryGpu, NumpyEngine

VERSION = "1.2.3.4"
PLAN = b"vtrt" + bytes(12) + (40).to_bytes(8, "little") + bytes((1, 2, 3, 4)) + bytes(12)


@pytest.fixture
def gpu(monkeypatch):
    """A GPU in memory where the runtime looks for one."""
    found = MemoryGpu()
    module = SimpleNamespace(TensorIOMode=MODES, IBuilderConfig=None, **vars(LAYOUT))
    library = Library("rtx", VERSION, "13", module)
    for name, value in {
        "load_library": lambda flavour: library,
        "first_device": lambda: Device("NVIDIA GeForce RTX 4090", 89),
        "open_gpu": lambda: found,
        "new_logger": lambda _library, sink: sink,
        "new_runtime": lambda _library, logger: logger,
    }.items():
        monkeypatch.setattr(trt_runtime, name, value)
    return found


@pytest.fixture
def opened(gpu, net, tmp_path, monkeypatch):
    """Open a runtime of an engine that computes the tiny network."""

    def open_engine(**options):
        engine = NumpyEngine(gpu, net.expected_scores, **options)
        monkeypatch.setattr(trt_runtime, "load_engine", lambda runtime, plan: engine)
        path = tmp_path / "a.engine"
        path.write_bytes(PLAN)
        net.sidecar_of(PLAN, version=VERSION).write(sidecar_path(path), overwrite=True)
        return open_runtime(path)

    return open_engine


def images(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 1, 8, 8)).astype(np.float32)


def test_inputs_and_outputs_are_those_of_the_engine(opened):
    with opened() as runtime:
        assert runtime.name == "tensorrt-rtx"
        assert runtime.inputs == (TensorSpec("x", "float32", (None, 1, 8, 8), (1, 8)),)
        assert runtime.outputs == (TensorSpec("y", "float32", (None, 3)),)
    assert runtime.inputs == ()


@pytest.mark.parametrize("captures", [True, False])
def test_any_batch_gives_its_own_scores(opened, gpu, net, captures):
    gpu.captures = captures
    found = []
    with opened() as runtime:
        for seed, count in enumerate((2, 2, 5, 1, 8, 8)):
            found.append((images(count, seed), runtime.run({"x": images(count, seed)})["y"]))
    # Looked at last: what was handed out is nobody's buffer.
    for batch, scores in found:
        np.testing.assert_allclose(scores, net.expected_scores(batch), rtol=1e-5, atol=1e-6)


def test_a_shape_is_run_once_and_then_replayed_as_a_graph(opened, gpu):
    order = [0, "in", 1, "launch", 2, "out", 3, "wait"]
    with opened() as runtime:
        gpu.calls.clear()
        runtime.run({"x": images(2)})
        assert gpu.calls == ["execute", "wait", "capture", *order]
        gpu.calls.clear()
        runtime.run({"x": images(2)})
        assert gpu.calls == order
        runtime.run({"x": images(3)})
        assert gpu.calls.count("capture") == 1


def test_what_cannot_be_captured_is_executed_each_time(opened, gpu):
    gpu.captures = False
    with opened() as runtime:
        runtime.run({"x": images(2)})
        gpu.calls.clear()
        runtime.run({"x": images(2)})
        assert gpu.calls == [0, "in", 1, "execute", 2, "out", 3, "wait"]


def test_what_keeps_the_gpu_waiting_is_noted(opened, gpu):
    with opened() as runtime:
        runtime.run({"x": images(2)})
        assert isinstance(runtime, Noted)
        assert runtime.notes() == ()
    gpu.captures = False
    with opened() as runtime:
        gpu.between = lambda first, last: 1
        runtime.run({"x": images(2)})
        (line,) = runtime.notes()
        assert "cannot be captured as a CUDA graph, and queueing took" in line
    with opened() as runtime:
        gpu.between = lambda first, last: 10**12
        runtime.run({"x": images(2)})
        assert runtime.notes() == ("it cannot be captured as a CUDA graph",)


def test_times_are_those_between_the_marks(opened):
    with opened() as runtime:
        runtime.run({"x": images(1)})
        assert runtime.device_times() == DeviceTimes(1000, 1990, 2980)


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({"z": images(1)}, r"fed \['z'\]; expected 'x'"),
        ({"x": images(9)}, r"expected float32 \[N, 1, 8, 8\] with N from 1 to 8"),
        ({"x": images(1)[:, :, :7]}, r"fed float32 \[1, 1, 7, 8\] for 'x'"),
        ({"x": images(1).astype(np.float64)}, "fed float64"),
    ],
)
def test_feeds_that_do_not_fit_are_refused(opened, gpu, feeds, message):
    with opened() as runtime:
        with pytest.raises(InputError, match=message):
            runtime.run(feeds)
        assert "execute" not in gpu.calls


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ("format", "its tensor 'x' is not stored row by row"),
        ("location", "its tensor 'x' is in host memory"),
        ("shape", "its tensor 'x' is a shape, not data"),
        ("address", "TensorRT refuses its buffer for 'x': it gave no reason"),
        ("input", r"TensorRT refuses the shape \[8, 1, 8, 8\] for 'x'"),
    ],
)
def test_engines_that_want_other_memory_are_refused(opened, gpu, odd, message):
    with pytest.raises(InputError, match=message):
        opened(odd=(odd,)).__enter__()
    assert gpu.closed


def test_an_inference_that_fails_is_one_line(opened):
    with opened(fails=True) as runtime, pytest.raises(NncError, match="could not run it: it gave"):
        runtime.run({"x": images(1)})


def test_everything_is_freed_at_the_end(opened, gpu):
    with opened() as runtime:
        assert not gpu.closed
    assert gpu.closed
    with pytest.raises(RuntimeError, match="outside its with block"):
        runtime.run({"x": images(1)})


def test_what_cannot_be_loaded_frees_the_gpu(opened, gpu, monkeypatch):
    runtime = opened()

    def refuse(listen, plan):
        listen("error", "the plan is of another kind")

    monkeypatch.setattr(trt_runtime, "load_engine", refuse)
    with pytest.raises(MissingError, match="cannot load it: the plan is of another kind"):
        runtime.__enter__()
    assert gpu.closed


def test_nothing_is_touched_before_the_checks(opened, tmp_path, monkeypatch):
    def touched(*_):
        raise AssertionError("touched")

    runtime = opened()
    (tmp_path / "a.engine").write_bytes(PLAN[:-1] + b"\1")
    for name in ("load_library", "first_device", "open_gpu", "new_runtime", "load_engine"):
        monkeypatch.setattr(trt_runtime, name, touched)
    with pytest.raises(MissingError, match="is not the engine that its sidecar describes"):
        runtime.__enter__()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("load_library", Library("rtx", "1.2.3.5", "13", None), "a plan runs on the version"),
        ("first_device", Device("NVIDIA GeForce RTX 3090", 86), "for compute capability 8.9"),
        ("first_device", None, "there is none here"),
    ],
)
def test_another_library_or_gpu_deserialises_nothing(opened, monkeypatch, name, value, message):
    def touched(*_):
        raise AssertionError("touched")

    runtime = opened()
    monkeypatch.setattr(trt_runtime, name, lambda *_: value)
    for later in ("open_gpu", "new_runtime", "load_engine"):
        monkeypatch.setattr(trt_runtime, later, touched)
    with pytest.raises(MissingError, match=message):
        runtime.__enter__()
