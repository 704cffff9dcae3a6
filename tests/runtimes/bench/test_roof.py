"""The roofline within the bench: when it is measured, and that failing it ends nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnc.errors import InputError, NncError
from nnc.runtimes.bench import BenchSettings, bench, roof
from nnc.runtimes.roofline import Peak

pytest.importorskip("onnxruntime")

QUICK = BenchSettings(rounds=6, seconds=0.02, threads=(1, 2))


@pytest.fixture
def peaks(monkeypatch):
    """Peaks that take no time to measure; the arguments they were asked with."""
    asked = []

    def measure(threads, *, cpus):
        asked.append((tuple(threads), dict(cpus)))
        return tuple(Peak(count, 1e10 * count, 1e10) for count in threads)

    monkeypatch.setattr(roof, "measure_peaks", measure)
    return asked


def test_the_headline_is_set_under_the_peaks_of_its_threads(tiny, peaks):
    result = bench([tiny("a.onnx"), tiny("b.onnx", seed=1)], QUICK, None).to_json()
    ((threads, cpus),) = peaks
    assert threads == (1, 2)
    assert list(cpus) == [1, 2]
    assert [peak["flops_per_s"] for peak in result["peaks"]] == [1e10, 2e10]
    for file in result["files"]:
        profile = file["profile"]
        assert (profile["threads"], profile["batch_size"]) == (1, 1)
        assert profile["measured_ms"] == file["latency"][0]["median"]
        assert profile["limit_ms"] > 0
        assert all(layer["ms"] is None for layer in profile["layers"])


def test_layers_are_timed_when_asked(tiny, peaks, monkeypatch):
    def times(path, spec, *, threads, batch_size, cpus):
        assert (path.name, spec.height, threads, batch_size) == ("tiny.onnx", 8, 1, 1)
        return {"conv": 0.3, "fc": 0.1}

    monkeypatch.setattr(roof, "time_layers", times)
    (file,) = bench([tiny()], replace(QUICK, profile=True), None).to_json()["files"]
    told = {layer["name"]: layer["ms"] for layer in file["profile"]["layers"]}
    assert (told["conv"], told["fc"]) == (0.3, 0.1)


def test_what_fails_is_left_out_and_its_row_says_so(tiny, peaks, monkeypatch):
    def fails(*_told, **_named):
        raise NncError("no luck")

    monkeypatch.setattr(roof, "time_layers", fails)
    (file,) = bench([tiny()], replace(QUICK, profile=True), None).files
    assert file.profile is not None
    assert file.warnings == ("its layers are not timed: no luck",)
    monkeypatch.setattr(roof, "measure_peaks", fails)
    result = bench([tiny()], QUICK, None)
    assert result.peaks is result.files[0].profile is None
    assert result.files[0].warnings == (
        "no roofline: the machine's peaks were not measured: no luck",
    )
    monkeypatch.undo()
    monkeypatch.setattr(roof, "measure_peaks", lambda *_told, **_named: (Peak(1, 1e10, 1e10),))
    monkeypatch.setattr(roof, "profile_of", lambda *_told, **_named: None)
    assert bench([tiny()], QUICK, None).files[0].warnings == (
        "no roofline: its layers cannot be told",
    )


def test_nothing_is_measured_unasked(tiny, peaks):
    result = bench([tiny()], replace(QUICK, roofline=False), None).to_json()
    assert result["peaks"] is result["files"][0]["profile"] is None
    assert not peaks
    with pytest.raises(InputError, match="expected both, or neither"):
        replace(QUICK, roofline=False, profile=True)
