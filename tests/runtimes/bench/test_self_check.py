"""The self-check: a file against itself."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nnc.errors import InputError, NncError
from nnc.runtimes.artifact import read_artifact
from nnc.runtimes.bench import BenchSettings, SelfCheck, against_itself, self_check
from nnc.runtimes.bench.noise import Noise
from nnc.runtimes.bench.speedup import Speedup

SAME = Speedup(1.0, 0.98, 1.02, "no difference shown", (1.0,))
SLOWER = Speedup(0.9, 0.85, 0.95, "slower", (0.9,))


def test_a_file_against_itself(tiny):
    pytest.importorskip("onnxruntime")
    settings = BenchSettings(rounds=6, seconds=0.02, threads=(1, 2), batch_sizes=(2, 1), seed=7)
    seen = self_check(tiny(), settings, 2, command=["nnc", "bench"])
    result = json.loads(json.dumps(seen.to_json()))
    assert (result["kind"], result["schema_version"]) == ("self-check", 2)
    assert (result["settings"]["threads"], result["settings"]["batch_size"]) == (1, 2)
    assert result["settings"]["seed"] == 7
    assert len(result["runs"]) == 2
    assert result["different"] == sum(
        run["verdict"] in ("faster", "slower") for run in result["runs"]
    )
    assert result["share"] == result["different"] / 2
    assert result["low"] <= result["share"] <= result["high"]
    assert all(len(run["rounds"]) == 6 for run in result["runs"])


@pytest.mark.parametrize(
    ("alarms", "runs", "verdict"),
    # The chance of 3 or more of 20 at 5% is 7.5%, that of 4 or more 1.6%.
    [(0, 1, "not shown"), (1, 1, "not shown"), (2, 2, "missed"), (0, 15, "not shown"),
     (0, 16, "held"), (1, 20, "not shown"), (3, 20, "not shown"), (4, 20, "missed"),
     (3, 40, "held"), (9, 100, "held"), (10, 100, "missed")],
)  # fmt: skip
def test_only_more_alarms_than_chance_brings_are_a_fault(tiny, alarms, runs, verdict):
    check = SelfCheck(
        artifact=read_artifact(tiny()),
        settings=BenchSettings(),
        environment={},
        created="",
        command=None,
        noise=Noise(None, None, None, ()),
        runs=(*(SLOWER for _ in range(alarms)), *(SAME for _ in range(runs - alarms))),
    )
    assert check.different == alarms
    assert check.verdict == verdict
    noisy = replace(check, runs=(Speedup(1.0, 0.5, 2.0, "too noisy", (1.0,)),))
    assert noisy.different == 0
    assert (noisy.to_json()["too_noisy"], noisy.to_json()["smallest_difference"]) == (1, 1.0)


def test_it_chooses_cores_as_the_bench_does(tiny, monkeypatch):
    """The least busy ones, by a look at the machine before and after reading the file."""
    pytest.importorskip("onnxruntime")
    asked = []
    choose = against_itself.choose_cpus

    def seen(threads, busy):
        asked.append(busy)
        return choose(threads, busy)

    monkeypatch.setattr(against_itself, "busy_shares", lambda *_looks: {0: 0.5})
    monkeypatch.setattr(against_itself, "choose_cpus", seen)
    self_check(tiny(), BenchSettings(rounds=6, seconds=0.02), 1)
    assert asked == [{0: 0.5}]


def test_a_bad_number_of_runs_and_a_runtime_that_dies(tiny, net, tmp_path):
    with pytest.raises(InputError, match="0 runs: expected a whole number from 1 to 1000"):
        self_check(tiny(), BenchSettings(), 0)
    pytest.importorskip("onnxruntime")
    model = net.tiny_model()
    model.graph.initializer[3].raw_data = b"\xff" * 12
    path = tmp_path / "nan.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(NncError, match="returns NaN"):
        self_check(path, BenchSettings(rounds=6, seconds=0.02), 1)
