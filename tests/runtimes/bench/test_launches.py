"""Launches and rounds: who starts when, who is timed when, and what a death leaves."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from nnc.errors import InputError, MissingError, NncError
from nnc.runtimes.accuracy.accuracy import TestPart
from nnc.runtimes.accuracy.answers import Answers
from nnc.runtimes.bench import BenchSettings, bench
from nnc.runtimes.workers.child_process import ChildError
from nnc.runtimes.workers.latency import TimedRound
from nnc.runtimes.workers.process_usage import Usage
from nnc.runtimes.workers.worker_process import Opened, Prepared, WorkerProcess

SETTINGS = BenchSettings(roofline=False, rounds=12, seconds=0.012, launches=4)


class FakeWorker:
    """Stands in for a process: 1 ms an inference, 2 ms for b.onnx; dies where it is told to."""

    events: list[tuple[str, str]]
    deaths: dict[tuple[str, str, int], Exception]
    """By event, file and how often it has happened before."""
    counts: Counter[tuple[str, str]]

    def __init__(self, path: Path, **_told: object) -> None:
        self.path = path
        self.pid = os.getpid()

    def __enter__(self) -> FakeWorker:
        self._happens("start")
        return self

    def __exit__(self, *_error: object) -> None:
        self._happens("end")

    def open(self, _spec: object) -> Opened:
        self._happens("open")
        return Opened("onnxruntime", None, 5e6)

    def prepare(self, _images: np.ndarray, _seconds: float) -> Prepared:
        self._happens("prepare")
        return Prepared(1e6, 3e6)

    def time_round(self, runs: int) -> TimedRound:
        self._happens("round")
        each = 2_000_000 if self.path.name == "b.onnx" else 1_000_000
        return TimedRound(np.full((1, runs), each), runs * each, Usage(runs * each, None))

    def notes(self) -> tuple[str, ...]:
        return ()

    def peak_memory_bytes(self) -> int:
        self._happens("memory")
        return 1 << 20

    def predict(
        self, images: np.ndarray, _classes: int, _labels: np.ndarray, *, first: int
    ) -> Answers:
        self._happens("predict")
        self.events.append((first, self.path.name))
        return Answers(np.zeros(len(images), np.int64))

    def _happens(self, event: str) -> None:
        name = self.path.name
        before = self.counts[event, name]
        self.counts[event, name] += 1
        self.events.append((event, name))
        if (error := self.deaths.get((event, name, before))) is not None:
            raise error


@pytest.fixture
def faked(monkeypatch):
    FakeWorker.events, FakeWorker.deaths, FakeWorker.counts = [], {}, Counter()
    for module in ("launches", "answering"):
        monkeypatch.setattr(f"nnc.runtimes.bench.{module}.WorkerProcess", FakeWorker)
    return FakeWorker


@pytest.fixture
def files(tiny):
    return [tiny(f"{name}.onnx", seed=seed) for seed, name in enumerate("abc")]


def test_every_file_is_timed_once_a_round_and_starts_anew_each_launch(faked, files):
    result = bench(files, SETTINGS, None)
    rounds = [name for event, name in faked.events if event == "round"]
    groups = [tuple(rounds[index : index + 3]) for index in range(0, len(rounds), 3)]
    assert len(groups) == 12
    assert {tuple(sorted(group)) for group in groups} == {("a.onnx", "b.onnx", "c.onnx")}
    assert len(set(groups)) > 2  # shuffled
    starts = [name for event, name in faked.events if event == "start"]
    launches = [starts[index : index + 3] for index in range(0, len(starts), 3)]
    assert len(launches) == 4
    # So that no file always starts first.
    assert launches[1] == launches[0][::-1]
    assert launches[3] == launches[2][::-1]
    assert [file.latency.launches for file in result.files] == [4, 4, 4]
    assert [file.speedup.ratio for file in result.files] == pytest.approx([1, 0.5, 1])


def test_the_order_follows_the_seed(faked, files):
    def events(seed: int) -> list[tuple[str, str]]:
        faked.events.clear()
        bench(
            files,
            BenchSettings(roofline=False, rounds=12, seconds=0.012, launches=4, seed=seed),
            None,
        )
        return list(faked.events)

    first = events(1)
    assert events(1) == first
    assert events(2) != first


DEATHS = {
    "killed": NncError("x/b.onnx: the process that ran it was ended by SIGKILL (out of memory?)"),
    "raises": InputError("x/b.onnx: ONNX Runtime cannot run it: bad shape"),
    "bug": ChildError(Path("x/b.onnx"), "Traceback\n  File x\nValueError: oh no"),
}


@pytest.mark.parametrize("event", [("prepare", 0), ("round", 5), ("open", 1), ("memory", 2)])
@pytest.mark.parametrize("kind", DEATHS)
def test_a_runtime_that_dies_is_out_and_the_rest_goes_on(faked, files, kind, event):
    faked.deaths = {(event[0], "b.onnx", event[1]): DEATHS[kind]}
    result = bench(files, SETTINGS, None)
    a, b, c = result.files
    assert result.failed == (b,)
    assert b.error is not None
    assert b.error.startswith("x/b.onnx: ")
    assert "\n" not in b.error
    if kind == "bug":
        assert b.error == "x/b.onnx: the process that ran it failed: ValueError: oh no"
    assert b.latencies == ()
    assert (a.error, c.error) == (None, None)
    assert c.speedup.ratio == pytest.approx(1)
    assert faked.counts["round", "c.onnx"] == 12
    entry = b.to_json()
    assert (entry["latency"], entry["accuracy"]) == ([], None)
    assert faked.counts["start", "b.onnx"] == faked.counts["end", "b.onnx"]


def test_where_the_baseline_dies_the_others_have_figures_without_speedups(faked, files):
    faked.deaths = {("round", "a.onnx", 3): DEATHS["killed"]}
    result = bench(files, SETTINGS, None)
    assert result.failed == (result.files[0],)
    for file in result.files[1:]:
        assert file.latency.speedup is None
        assert file.to_json()["latency"][0]["speedup"] is None
        with pytest.raises(ValueError, match="the baseline has no times"):
            _ = file.speedup
    assert result.files[1].latency.median == 2


def test_where_all_die_there_is_still_a_result(faked, files):
    faked.deaths = {("prepare", f"{name}.onnx", 0): DEATHS["raises"] for name in "abc"}
    result = bench(files, SETTINGS, None)
    assert len(result.failed) == 3
    with pytest.raises(ValueError, match=r"has no latency: x/b\.onnx: ONNX Runtime cannot"):
        _ = result.files[0].latency


@pytest.mark.parametrize("error", [InputError("b.onnx: damaged"), MissingError("no torch")])
def test_what_cannot_be_opened_at_first_is_refused_at_once(faked, files, error):
    faked.deaths = {("open", "b.onnx", 0): error}
    with pytest.raises(type(error), match=str(error)):
        bench(files, SETTINGS, None)
    assert faked.counts["round", "a.onnx"] == 0
    for name in ("a.onnx", "b.onnx", "c.onnx"):
        assert faked.counts["start", name] == faked.counts["end", name]


def test_want_of_memory_at_first_is_no_refusal(faked, files):
    faked.deaths = {("open", "b.onnx", 0): NncError("x/b.onnx: not enough memory")}
    assert [file.error for file in bench(files, SETTINGS, None).files] == [
        None,
        "x/b.onnx: not enough memory",
        None,
    ]


def test_a_death_while_answering_keeps_the_times(faked, files):
    faked.deaths = {("predict", "b.onnx", 1): DEATHS["killed"]}

    def batches(_spec):
        for _ in range(3):
            yield np.zeros((4, 8, 8, 1), np.uint8), np.zeros(4, np.int64)

    result = bench(files, SETTINGS, TestPart(batches, 12, "zeros"))
    a, b, c = result.files
    assert b.error is not None
    assert b.accuracy is b.agreement is None
    assert (a.agreement, c.agreement.same) == (None, 12)
    assert b.speedup.ratio == pytest.approx(0.5)
    assert (a.accuracy, c.accuracy) != (None, None)
    assert faked.counts["predict", "c.onnx"] == 3
    places = [event for event, name in faked.events if isinstance(event, int) and name == "c.onnx"]
    assert places == [0, 4, 8]  # of the first image of each part among all
    assert result.to_json()["data"]["images"] == 12


def test_where_the_baseline_dies_answering_there_is_nothing_to_agree_with(faked, files):
    faked.deaths = {("predict", "a.onnx", 0): DEATHS["killed"]}

    def batches(_spec):
        yield np.zeros((4, 8, 8, 1), np.uint8), np.zeros(4, np.int64)

    a, b, c = bench(files, SETTINGS, TestPart(batches, 4, "zeros")).files
    assert a.accuracy is None
    assert [one.agreement for one in (a, b, c)] == [None] * 3
    assert b.accuracy is not None
    assert b.speedup.ratio == pytest.approx(0.5)


@pytest.mark.skipif(not hasattr(os, "kill"), reason="kills")
def test_a_process_that_is_really_killed(tiny, monkeypatch):
    pytest.importorskip("onnxruntime")
    time_round = WorkerProcess.time_round
    seen = Counter[str]()

    def killed_in_the_third_round(worker, runs):
        seen[worker.path.name] += 1
        if worker.path.name == "b.onnx" and seen["b.onnx"] == 3:
            os.kill(worker.pid, signal.SIGKILL)
        return time_round(worker, runs)

    monkeypatch.setattr(WorkerProcess, "time_round", killed_in_the_third_round)
    a, b = bench([tiny("a.onnx"), tiny("b.onnx", seed=1)], SETTINGS, None).files
    assert a.latency.rounds == 12
    assert b.error is not None
    assert b.error.endswith("b.onnx: the process that ran it was ended by SIGKILL (out of memory?)")


def test_outputs_that_are_no_numbers_are_a_row_that_says_so(net, tiny, tmp_path):
    pytest.importorskip("onnxruntime")
    model = net.tiny_model()
    model.graph.initializer[3].raw_data = np.full(3, np.nan, np.float32).tobytes()
    path = tmp_path / "nan.onnx"
    path.write_bytes(model.SerializeToString())
    a, b = bench(
        [tiny("a.onnx"), path], BenchSettings(roofline=False, rounds=6, seconds=0.03), None
    ).files
    assert a.error is None
    assert b.error == (
        f"{path} returns NaN for image 0: its weights are damaged, or its arithmetic is not "
        "defined there"
    )


def test_what_disturbs_less_than_nine_runs_of_ten_leaves_the_speedup_alone(
    faked, files, monkeypatch
):
    """b.onnx takes twice a.onnx's time, and other programs double that of 80 runs in 100."""
    clean = FakeWorker.time_round

    def disturbed(worker, _runs):
        timed = clean(worker, 100)
        times = timed.times.copy()
        if worker.path.name == "b.onnx":
            times[:, 20:] *= 2
        return TimedRound(times, timed.wall, timed.used)

    monkeypatch.setattr(FakeWorker, "time_round", disturbed)
    _, b, _ = bench(files, SETTINGS, None).files
    assert b.latency.median == 4
    assert b.speedup.ratio == pytest.approx(0.5)
