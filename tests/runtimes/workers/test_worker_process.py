"""A worker as the bench uses it: what it answers, and how it ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from nnc.errors import InputError, NncError
from nnc.runtimes.workers.child_process import ChildError
from nnc.runtimes.workers.worker_process import WorkerProcess

pytest.importorskip("onnxruntime")


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def batch(net) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 8, 8, net.SPEC.channels), dtype=np.uint8)


def test_a_round_says_what_it_took(tiny, net):
    with WorkerProcess(tiny(), device="cpu", threads=1) as worker:
        opened = worker.open(net.SPEC)
        assert (opened.runtime, opened.batches) == ("onnxruntime", None)
        prepared = worker.prepare(batch(net), 0.01)
        timed = worker.time_round(20)
        assert timed.times.shape == (1, 20)
        assert timed.times.min() > 0
        assert timed.times.sum() <= timed.wall
        assert timed.used.cpu > 0
        assert opened.nanoseconds > prepared.first_nanoseconds > 0
        assert prepared.nanoseconds > 0


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="binds processes")
def test_a_worker_is_bound_before_it_loads_anything(tiny, net):
    cpu = max(os.sched_getaffinity(0))
    with WorkerProcess(tiny(), device="cpu", threads=2, cpus=(cpu,)) as worker:
        worker.open(net.SPEC)
        worker.prepare(batch(net), 0.01)
        tasks = [int(task.name) for task in Path(f"/proc/{worker.pid}/task").iterdir()]
        assert {frozenset(os.sched_getaffinity(task)) for task in tasks} == {frozenset({cpu})}
    assert len(os.sched_getaffinity(0)) >= 1


def test_outputs_that_are_no_numbers_are_refused_before_they_are_timed(net, tmp_path):
    model = net.tiny_model()
    model.graph.initializer[3].raw_data = np.full(3, np.nan, np.float32).tobytes()
    path = tmp_path / "nan.onnx"
    path.write_bytes(model.SerializeToString())
    with WorkerProcess(path, device="cpu", threads=1) as worker:
        worker.open(net.SPEC)
        with pytest.raises(InputError, match=r"nan\.onnx returns NaN for each of images 0 to "):
            worker.prepare(batch(net), 0.01)


def test_a_bug_in_a_child_keeps_its_traceback_and_has_a_line(tiny):
    process = WorkerProcess(tiny(), device="cpu", threads=1)
    with process as worker, pytest.raises(ChildError, match="Traceback") as caught:
        worker.time(1)  # nothing is open
    assert caught.value.line.endswith("RuntimeError: no file is open")
    assert "\n" not in caught.value.line


def test_a_killed_worker_is_one_clear_error(tiny, net):
    path = tiny()
    with WorkerProcess(path, device="cpu", threads=1) as worker:
        worker.open(net.SPEC)
        pid = worker.pid
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(NncError, match=r"tiny\.onnx: the process .* SIGKILL") as caught:
            worker.time(1)
    assert "\n" not in str(caught.value)
    assert gone(pid)


def test_an_error_in_the_worker_comes_back_as_itself(tmp_path, net):
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"\x08\x07" + bytes(100))
    with WorkerProcess(path, device="cpu", threads=1) as worker:
        pid = worker.pid
        with pytest.raises(InputError, match="cannot load it"):
            worker.open(net.SPEC)
    assert gone(pid)


def test_the_current_folder_cannot_shadow_what_a_worker_imports(tiny, net, tmp_path, monkeypatch):
    path = tiny()
    for name in ("json.py", "numpy.py", "onnxruntime.py", "nnc.py"):
        (tmp_path / name).write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    with WorkerProcess(path, device="cpu", threads=1) as worker:
        assert worker.open(net.SPEC).runtime == "onnxruntime"


def test_an_engine_with_infinite_values_is_likely_an_overflow():
    from nnc.runtimes.workers.worker import _check_numbers

    scores = np.array([[1, np.inf]], np.float32)
    _check_numbers(scores, Path("a.onnx"))
    with pytest.raises(
        InputError, match=r"a\.engine returns NaN or infinite values for image 0: likely"
    ):
        _check_numbers(scores, Path("a.engine"))
    _check_numbers(np.array([[1, 2]]), Path("a.engine"))
