"""The bench end to end on tiny networks, and how its workers end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnc.errors import InputError, NncError
from nnc.runtimes.accuracy import predict
from nnc.runtimes.bench import BenchSettings, TestPart, bench
from nnc.runtimes.preprocess import normalise
from nnc.runtimes.registry import open_runtime
from nnc.runtimes.worker_process import WorkerProcess

pytest.importorskip("onnxruntime")

QUICK = BenchSettings(rounds=6, seconds=0.03)


def noise(count: int = 50, batch: int = 20, *, classes: int = 3, channels: int = 1) -> TestPart:
    """Noise images, in batches of 20, 20, 10."""
    source = np.random.default_rng(0)
    labels = source.integers(0, classes, count)

    def batches(spec):
        pixels = np.random.default_rng(1).integers(
            0, 256, (count, spec.height, spec.width, channels), dtype=np.uint8
        )
        for start in range(0, count, batch):
            yield pixels[start : start + batch], labels[start : start + batch]

    return TestPart(batches, count, "noise")


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_result_has_the_promised_shape_and_true_accuracy(tiny, net):
    files = [tiny("a.onnx"), tiny("b.onnx", seed=1)]
    part = noise()
    result = json.loads(json.dumps(bench(files, QUICK, part).to_json()))
    assert result["schema_version"] == 1
    assert result["environment"]["python"]
    assert [entry["file"] for entry in result["results"]] == [str(path) for path in files]
    for seed, entry in enumerate(result["results"]):
        assert set(entry) == {
            *("file", "runtime", "device", "threads", "batch_size", "accuracy", "size_bytes"),
            *("parameters", "nonzero_parameters", "macs", "latency_ms", "peak_memory_bytes"),
            *("provider", "gpu_ms", "speedup"),
        }
        assert (entry["device"], entry["provider"], entry["gpu_ms"]) == ("cpu", None, None)
        assert set(entry["latency_ms"]) == {"median", "p5", "p95", "runs"}
        assert 0 < entry["latency_ms"]["p5"] <= entry["latency_ms"]["median"]
        assert entry["latency_ms"]["median"] <= entry["latency_ms"]["p95"]
        assert entry["peak_memory_bytes"] > 1 << 20
        assert entry["speedup"]["baseline"] == str(files[0])
        assert entry["speedup"]["low"] <= entry["speedup"]["ratio"] <= entry["speedup"]["high"]
        correct = 0
        for images, labels in part.batches(net.SPEC):
            scores = net.expected_scores(normalise(images, net.SPEC), seed)
            correct += int((scores.argmax(axis=1) == labels).sum())
        assert entry["accuracy"]["top1"] == correct / 50
        assert entry["accuracy"]["images"] == 50
        assert entry["accuracy"]["low"] < correct / 50 < entry["accuracy"]["high"]
    assert result["results"][0]["speedup"]["ratio"] == 1


def test_accuracy_is_null_without_images_and_limited_when_asked(tiny):
    path = tiny()
    assert bench([path], QUICK, None).to_json()["results"][0]["accuracy"] is None
    limited = BenchSettings(rounds=6, seconds=0.03, images=25, batch_size=64)
    entry = bench([path], limited, noise()).to_json()["results"][0]
    assert entry["accuracy"]["images"] == 25
    assert entry["batch_size"] == 64


def test_a_fixed_batch_is_filled_up_for_accuracy_and_named_for_timing(tiny, net):
    path = tiny(batch=16)
    images, _ = next(iter(noise().batches(net.SPEC)))
    with open_runtime(path) as runtime:
        found = predict(runtime, images, net.SPEC, 3, path).classes
    expected = net.expected_scores(normalise(images, net.SPEC)).argmax(axis=1)
    assert np.array_equal(found, expected)
    with pytest.raises(InputError, match="run with --batch-size 16"):
        bench([path], QUICK, None)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (noise(classes=10), "has 3 classes; noise has labels from 0 to"),
        (replace(noise(), classes=2), "has 3 classes; noise has 2;"),
        (noise(channels=3), r"takes images \[8, 8, 1\]"),
        (noise(count=0), "noise has no test images"),
    ],
    ids=["labels", "classes", "channels", "none"],
)
def test_data_that_does_not_fit_is_refused(tiny, part, message):
    with pytest.raises(InputError, match=message):
        bench([tiny()], QUICK, part)


def test_scores_that_are_no_numbers_are_refused(net, tmp_path):
    model = net.tiny_model()
    model.graph.initializer[3].raw_data = np.full(3, np.nan, np.float32).tobytes()
    path = tmp_path / "nan.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=r"nan\.onnx returns NaN"):
        bench([path], QUICK, noise())


def test_no_file_and_the_same_file_twice_are_refused(tiny, tmp_path):
    path = tiny()
    with pytest.raises(InputError, match="no files"):
        bench([], QUICK, None)
    link = tmp_path / "link.onnx"
    link.symlink_to(path)
    with pytest.raises(InputError, match=r"link\.onnx is named twice"):
        bench([path, link], QUICK, None)


@pytest.mark.parametrize(
    "settings",
    [
        {"device": "tpu"},
        {"threads": 0},
        {"batch_size": 0},
        {"rounds": 5},
        {"seconds": 0},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": 10**400},
        {"seconds": True},
        {"images": 0},
        {"seed": -1},
        {"batch_size": "8"},
    ],
    ids=str,
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(InputError, match="expected"):
        BenchSettings(**settings)


def test_fewer_rounds_than_an_interval_takes_are_refused_with_the_reason():
    with pytest.raises(InputError, match=r"rounds 5: .* from 6 to 10000 \(fewer give no 95%"):
        BenchSettings(rounds=5)


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
        assert worker.open(net.SPEC) == ("onnxruntime", None)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_no_worker_survives_the_bench(tiny, tmp_path, ending):
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(
            f"""
            from pathlib import Path
            from nnc.runtimes.bench import BenchSettings, bench
            files = [Path({str(tiny("a.onnx"))!r}), Path({str(tiny("b.onnx"))!r})]
            try:
                bench(files, BenchSettings(rounds=1000, seconds=600), None)
            except KeyboardInterrupt:
                raise SystemExit(130)
            """
        )
    )
    process = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + 30
    workers: list[int] = []
    while len(workers) < 2 and time.monotonic() < end:
        workers = [int(pid) for pid in children.read_text().split()]
    assert len(workers) == 2
    process.send_signal(ending)
    _, said = process.communicate(timeout=30)
    assert process.returncode == (130 if ending == signal.SIGINT else -ending)
    assert said == b""
    end = time.monotonic() + 30
    while not all(gone(pid) for pid in workers) and time.monotonic() < end:
        time.sleep(0.01)
    assert all(gone(pid) for pid in workers)
