"""The bench end to end on tiny networks."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from nnc import __version__
from nnc.errors import InputError
from nnc.model_card import ModelCard, Stage
from nnc.runtimes.accuracy.accuracy import predict
from nnc.runtimes.accuracy.packed import unpack
from nnc.runtimes.bench import BenchSettings, bench, measure
from nnc.runtimes.onnx_model.files import read_properties, write_properties
from nnc.runtimes.preprocess import normalise
from nnc.runtimes.registry import open_runtime

pytest.importorskip("onnxruntime")

QUICK = BenchSettings(roofline=False, rounds=6, seconds=0.03)

TOP = {
    *("schema_version", "kind", "nnc", "created", "command", "environment", "settings", "data"),
    *("noise", "peaks", "files", "budgets"),
}
SETTINGS = {
    *("device", "provider", "threads", "batch_sizes", "rounds", "seconds", "launches", "seed"),
    *("images", "cpus"),
}
FILE = {
    *("file", "name", "kind", "sha256", "runtime", "device", "provider", "error", "warnings"),
    *("input", "labels", "size", "load_ms", "first_inference_ms", "peak_memory_bytes"),
    *("accuracy", "agreement", "latency", "profile"),
}
SIZE = {
    *("bytes", "zipped_bytes", "parameters", "nonzero_parameters", "macs", "int8_mac_share"),
    "zeros",
}
LATENCY = {
    *("threads", "batch_size", "median", "low", "high", "p5", "p95", "p99", "percentiles"),
    *("runs", "rounds", "launches", "images_per_s", "cpu_ms", "gpu", "speedup"),
}


def test_the_result_is_the_documented_object_with_true_figures(tiny, net, noise):
    files, part = [tiny("a.onnx"), tiny("b.onnx", seed=1)], noise()
    told = ["nnc", "bench", "a.onnx", "b.onnx"]
    result = json.loads(json.dumps(bench(files, QUICK, part, command=told).to_json()))
    assert set(result) == TOP
    assert (result["schema_version"], result["kind"], result["nnc"]) == (2, "bench", __version__)
    assert result["command"] == told
    assert set(result["settings"]) == SETTINGS
    assert result["settings"]["launches"] == 2
    assert result["environment"]["python"]
    assert result["noise"]["verdict"] in ("quiet", "noisy", "unknown")
    assert result["data"]["images"] == 50
    assert result["data"]["classes"] == list(net.CARD.labels)
    digest = hashlib.sha256()
    for images, labels in part.batches(net.SPEC):
        digest.update(images.tobytes() + labels.tobytes())
    assert result["data"]["sha256"] == digest.hexdigest()
    truth = np.concatenate([labels for _, labels in part.batches(net.SPEC)])
    assert np.array_equal(unpack(result["data"]["labels"], "here"), truth)
    assert [entry["file"] for entry in result["files"]] == [str(path) for path in files]
    for seed, entry in enumerate(result["files"]):
        assert set(entry) == FILE
        assert set(entry["size"]) == SIZE
        assert (entry["name"], entry["kind"], entry["error"]) == (files[seed].name, "onnx", None)
        assert (entry["device"], entry["provider"]) == ("cpu", None)
        assert entry["input"]["mean"] == [0.5]
        assert entry["peak_memory_bytes"] > 1 << 20
        for spread in (entry["load_ms"], entry["first_inference_ms"]):
            assert 0 < spread["low"] <= spread["median"] <= spread["high"]
            assert spread["runs"] == 2
        (latency,) = entry["latency"]
        assert set(latency) == LATENCY
        check_latency(latency)
        scores = [
            net.expected_scores(normalise(images, net.SPEC), seed)
            for images, _ in part.batches(net.SPEC)
        ]
        expected = np.concatenate(scores).argmax(axis=1)
        assert np.array_equal(unpack(entry["accuracy"]["predictions"], "here"), expected)
        correct = int((expected == truth).sum())
        assert entry["accuracy"]["top1"] == correct / 50
        assert entry["accuracy"]["images"] == 50
        assert entry["accuracy"]["low"] < correct / 50 < entry["accuracy"]["high"]
    assert result["files"][0]["agreement"] is None
    found = result["files"][1]["agreement"]
    assert found["same"] + found["lost"] + found["won"] + found["moved"] == 50
    tops = [entry["accuracy"]["correct"] for entry in result["files"]]
    assert found["won"] - found["lost"] == tops[1] - tops[0]
    first, second = (entry["latency"][0]["speedup"] for entry in result["files"])
    assert first == {"ratio": 1, "low": 1, "high": 1, "verdict": "baseline", "rounds": [1] * 6}
    assert second["low"] <= second["ratio"] <= second["high"]
    assert len(second["rounds"]) == 6


def check_latency(latency):
    percentiles = latency["percentiles"]
    assert len(percentiles) == 101
    assert percentiles == sorted(percentiles)
    named = [latency[name] for name in ("p5", "median", "p95", "p99")]
    assert named == [percentiles[index] for index in (5, 50, 95, 99)]
    assert named[0] > 0
    assert latency["images_per_s"] == 1000 * latency["batch_size"] / latency["median"]
    assert latency["cpu_ms"] > 0
    assert latency["gpu"] is None
    assert latency["runs"] >= latency["rounds"] == 6


def test_every_number_of_threads_goes_with_every_batch_size(tiny):
    settings = BenchSettings(
        roofline=False, rounds=6, seconds=0.03, threads=(2, 1), batch_sizes=(4, 1)
    )
    (file,) = bench([tiny()], settings, None).to_json()["files"]
    pairs = [(one["threads"], one["batch_size"]) for one in file["latency"]]
    assert pairs == [(2, 4), (2, 1), (1, 4), (1, 1)]
    for latency in file["latency"]:
        check_latency(latency)
    assert file["load_ms"]["runs"] == file["first_inference_ms"]["runs"] == 2


def test_accuracy_is_null_without_images_and_limited_when_asked(tiny, noise):
    path = tiny()
    result = bench([path], QUICK, None).to_json()
    assert result["files"][0]["accuracy"] is result["data"] is result["command"] is None
    limited = BenchSettings(roofline=False, rounds=6, seconds=0.03, images=25, batch_sizes=(64,))
    result = bench([path], limited, noise()).to_json()
    assert result["files"][0]["accuracy"]["images"] == result["data"]["images"] == 25
    assert result["files"][0]["latency"][0]["batch_size"] == 64


def test_constant_answers_are_warned_of(net, noise, tiny, tmp_path):
    model = net.tiny_model()
    bias = np.array([100, 0, 0], np.float32)
    model.graph.initializer[3].raw_data = bias.tobytes()
    path = tmp_path / "constant.onnx"
    path.write_bytes(model.SerializeToString())
    result = bench([tiny(), path], QUICK, noise()).to_json()
    assert result["files"][1]["accuracy"]["constant"]
    (line,) = result["files"][1]["warnings"]
    assert line.startswith("answers 'dark' for every image")


def test_a_fixed_batch_is_filled_up_for_accuracy_and_named_for_timing(tiny, net, noise):
    path = tiny(batch=16)
    images, _ = next(iter(noise().batches(net.SPEC)))
    with open_runtime(path) as runtime:
        found = predict(runtime, images, net.SPEC, 3, path).classes
    expected = net.expected_scores(normalise(images, net.SPEC)).argmax(axis=1)
    assert np.array_equal(found, expected)
    with pytest.raises(InputError, match="run with --batch-size 16"):
        bench([path], QUICK, None)
    with pytest.raises(InputError, match="run with --batch-size 16"):
        bench(
            [path], BenchSettings(roofline=False, rounds=6, seconds=0.03, batch_sizes=(16, 1)), None
        )


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"classes": 10}, "has 3 classes; noise has labels from 0 to"),
        ({"channels": 3}, r"takes images \[8, 8, 1\]"),
        ({"count": 0}, "noise has no test images"),
    ],
    ids=["labels", "channels", "none"],
)
def test_data_that_does_not_fit_is_refused(tiny, noise, part, message):
    with pytest.raises(InputError, match=message):
        bench([tiny()], QUICK, noise(**part))


def test_the_same_bytes_under_two_names_are_measured_with_a_warning(tiny):
    result = bench([tiny("a.onnx"), tiny("b.onnx")], QUICK, None).to_json()
    assert [file["warnings"] for file in result["files"]] == [
        [],
        ["holds the same bytes as a.onnx"],
    ]


def test_what_is_called_int8_and_is_not_here_is_measured_with_a_line(tiny, monkeypatch):
    path = tiny("net.onnx")
    model = onnx.load(path)
    card = ModelCard.from_properties(read_properties(model), "net.onnx")
    for weights_only, here, start in (
        (True, "avx2", "stores its weights as int8 and computes in float"),
        (False, "arm64", None),
        (False, "avx2", "was made for the int8 kernels of arm64, and measured with those of avx2"),
    ):
        settings = {"backend": "ort", "target": "arm64", "weights_only": weights_only}
        write_properties(model, card.then(Stage("quantise", settings)).to_properties())
        onnx.save(model, path)
        monkeypatch.setattr(measure, "int8_target", lambda _sets, here=here: here)
        (file,) = bench([path], QUICK, None).to_json()["files"]
        said = [line.startswith(start or "-") for line in file["warnings"]]
        assert said == ([True] if start else [])


def test_files_of_one_name_are_told_apart_in_warnings(tiny, tmp_path):
    first = tiny("net.onnx")
    second = tmp_path / "other" / "net.onnx"
    second.parent.mkdir()
    second.write_bytes(first.read_bytes())
    result = bench([first, second], QUICK, None).to_json()
    assert result["files"][1]["warnings"] == [f"holds the same bytes as {first} (onnxruntime cpu)"]
    wide = replace(bench([first, second], QUICK, None).files[1].speedup, verdict="too noisy")
    lines = list(measure._too_wide(["a", "b"], [[], [SimpleNamespace(speedup=wide)]]))
    assert lines[0].startswith("b: its speed-up lies between ")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_no_worker_survives_the_bench(tiny, tmp_path, ending):
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(
            f"""
            from pathlib import Path
            from nnc.runtimes.bench import BenchSettings, bench
            files = [Path({str(tiny("a.onnx"))!r}), Path({str(tiny("b.onnx", seed=1))!r})]
            try:
                bench(files, BenchSettings(roofline=False, rounds=1000, seconds=600), None)
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


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
