"""Engines on a machine without a GPU: what they say of themselves, and one line for the rest."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from nnc.errors import InputError, MissingError
from nnc.runtimes.artifact import CardOverrides, read_artifact
from nnc.runtimes.bench import BenchSettings, bench
from nnc.runtimes.gpu.device import capability_name, open_gpu
from nnc.runtimes.gpu.driver import first_device
from nnc.runtimes.registry import find_runtime, open_runtime

no_gpu = pytest.mark.skipif(first_device() is not None, reason="there is a GPU here")
QUICK = BenchSettings(roofline=False, rounds=6, seconds=0.03, accuracy=False)


def nnc(*words):
    command = [sys.executable, "-m", "nnc", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


@no_gpu
def test_without_a_gpu_it_is_one_line(engine):
    with pytest.raises(MissingError, match="an NVIDIA GPU alone, and there is none here") as caught:
        open_runtime(engine()).__enter__()
    assert "\n" not in str(caught.value)


@no_gpu
def test_the_checks_come_before_the_gpu(engine, plan):
    with pytest.raises(MissingError, match="its sidecar describes"):
        open_runtime(engine(plan[:-1])).__enter__()
    with pytest.raises(MissingError, match="pass --trust"):
        open_runtime(engine(sidecar=False)).__enter__()


@no_gpu
def test_buffers_without_a_gpu_are_one_line():
    with pytest.raises(MissingError, match=r"pip install cuda-python|nvidia-smi") as caught:
        open_gpu()
    assert "\n" not in str(caught.value)


def test_the_cpu_is_refused(engine):
    with pytest.raises(InputError, match="pass --device cuda"):
        open_runtime(engine(), "cpu").__enter__()


def test_an_engine_runs_on_the_gpu_whatever_the_others_run_on(engine, tiny):
    assert find_runtime(engine()).device("cpu") == "cuda"
    assert find_runtime(tiny()).device("cpu") == "cpu"


@pytest.mark.parametrize(("number", "text"), [(75, "7.5"), (120, "12.0")])
def test_capability_name(number, text):
    assert capability_name(number) == text


def test_the_sidecar_is_the_artefact(engine, net, plan):
    artifact = read_artifact(engine())
    assert (artifact.kind, artifact.runtime) == ("engine", "tensorrt-rtx")
    assert artifact.own_metadata
    assert artifact.card == replace(net.CARD, parent_sha256="ab" * 32)
    assert artifact.input_shape == (None, 1, 8, 8)
    assert (artifact.size_bytes, artifact.parameters) == (len(plan), net.PARAMETERS)
    assert [(layer.name, layer.dtype) for layer in artifact.layers] == [("conv", "fp32")]


def test_what_is_not_what_its_sidecar_says_is_refused(engine, plan):
    with pytest.raises(MissingError, match="its sidecar describes"):
        read_artifact(engine(plan + b"\0"))


def test_a_trusted_engine_takes_the_users_word(engine):
    path = engine(sidecar=False)
    with pytest.raises(MissingError, match="pass --trust"):
        read_artifact(path)
    with pytest.raises(InputError, match="say --image-size, --mean, --std, --labels"):
        read_artifact(path, trust=True)
    word = CardOverrides(mean=(0.5,), std=(0.25,), image_size=8, labels=("a", "b", "c"))
    artifact = read_artifact(path, word, trust=True)
    assert (artifact.card.input.height, artifact.card.labels) == (8, ("a", "b", "c"))
    assert (artifact.parameters, artifact.own_metadata) == (None, False)
    assert artifact.runtime == "tensorrt-rtx"


def test_what_is_no_plan_is_refused_even_if_its_sidecar_knows_it(engine, plan):
    data = b"PK\3\4" + plan[4:]
    path = engine(data, engine_sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(MissingError, match="is no TensorRT engine"):
        read_artifact(path)
    word = CardOverrides(mean=(0.5,), std=(0.25,), image_size=8, labels=("a", "b", "c"))
    with pytest.raises(MissingError, match="is no TensorRT engine"):
        read_artifact(engine(data, sidecar=False), word, trust=True)
    cut = engine(plan[:-1], sidecar=False)
    with pytest.raises(MissingError, match="was cut short"):
        read_artifact(cut, word, trust=True)


@no_gpu
def test_the_bench_says_what_is_missing(engine, tiny):
    with pytest.raises(MissingError, match="an NVIDIA GPU alone"):
        bench([tiny(), engine()], QUICK, None)


@no_gpu
def test_bench_exits_with_4(engine, plan):
    done = nnc("bench", engine(), "--no-accuracy")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.count("\n") == 1
    assert "there is none here" in done.stderr
    done = nnc("bench", engine(plan[:-7]), "--no-accuracy")
    assert done.returncode == 4
    assert "cut short" in done.stderr


def test_inspect_shows_the_sidecar(engine):
    done = nnc("inspect", engine())
    assert done.returncode == 0, done.stderr
    for text in ("engine, run by tensorrt-rtx", "compute capability 8.9", "1 to 8, tuned for 2"):
        assert text in done.stdout
    assert json.loads(nnc("inspect", engine(), "--json").stdout)["kind"] == "engine"
    foreign = ("--image-size", 8, "--mean", 0.5, "--std", 0.25, "--labels", "a,b,c")
    alone = engine(sidecar=False)
    done = nnc("inspect", alone.rename(alone.with_name("b.engine")), "--trust", *foreign)
    assert done.returncode == 0, done.stderr
    assert "another tool" in done.stdout


def test_doctor_says_what_it_builds_and_runs():
    pytest.importorskip("tensorrt_rtx")
    done = nnc("doctor")
    assert done.returncode == 0
    assert "builds for compute capability 7.5, 8.0, 8.6, 8.9, 12.0, 12.1" in done.stdout
    states = json.loads(nnc("doctor", "--json").stdout)["tensorrt"]
    (state,) = [state for state in states if state["flavour"] == "rtx"]
    assert state["version"].startswith("1.")
    if first_device() is None:
        assert state["runs"] == "nothing: there is no GPU"
