"""What is read from a folder or a file, and what is refused, in one line that says where."""

from __future__ import annotations

import json

import pytest

from nnc.errors import InputError
from nnc.toolchain.report.page.saved_run import read_run
from nnc.toolchain.report.page.subject import Subject, read_subject

from ...made_bench import FILES, bench_result
from .made_run import run_folder, run_state, scan_result

BENCH = bench_result(FILES[:2], images=50)


def _pruned(state):
    return state["stages"]["pruned.safetensors"]["result"]


def test_a_run_is_read_whole(tmp_path):
    folder = run_folder(tmp_path / "mine", BENCH)
    subject = read_subject(folder)
    assert (subject.title, subject.place) == ("mine", str(folder))
    assert {**subject.bench, "command": BENCH["command"]} == BENCH
    assert subject.scan == scan_result()
    assert subject.run.recipe == "quickstart"
    assert [stage.file for stage in subject.run.stages] == ["pruned.safetensors", "pruned.onnx"]
    (pruning,) = subject.run.prunings
    assert (pruning.file, len(pruning.rounds)) == ("pruned.safetensors", 3)
    assert subject.commands == (
        "nnc run quickstart",
        "nnc scan mobilenet.safetensors --method channel --criterion l2 -o scan/",
    )


def test_files_of_bench_and_scan_and_a_folder_of_a_scan(tmp_path):
    bench, scan = tmp_path / "bench.json", tmp_path / "scan" / "scan.json"
    bench.write_text(json.dumps(BENCH))
    scan.parent.mkdir()
    scan.write_text(json.dumps(scan_result()))
    found = read_subject(bench)
    assert (found.title, found.bench) == ("bench", BENCH)
    assert found.commands[0].startswith("nnc bench mobilenet-fashion-mnist.safetensors reference")
    for path in (scan, scan.parent):
        assert read_subject(path) == Subject("scan", str(path), scan=scan_result())
    bench.rename(tmp_path / "results.json")
    assert read_subject(tmp_path).scan == scan_result()  # beside the results, in its own folder


def test_a_folder_of_neither(tmp_path):
    with pytest.raises(InputError) as raised:
        read_subject(tmp_path)
    assert str(raised.value) == (
        f"{tmp_path} holds neither results.json nor scan.json; expected a folder of nnc run or "
        "nnc scan, or a file of nnc bench"
    )
    with pytest.raises(InputError, match="does not exist"):
        read_subject(tmp_path / "gone")


def test_an_older_result_says_how_to_make_it_anew(tmp_path):
    (tmp_path / "results.json").write_text('{"schema_version": 1, "results": []}')
    with pytest.raises(InputError, match="schema version 1; this nnc reads 2; make it anew"):
        read_subject(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.update(schema_version=9), "schema_version is 9; expected"),
        (lambda state: state.update(stages=[]), "stages is a list; expected an object"),
        (
            lambda state: state["stages"]["pruned.onnx"].update(seconds="x"),
            'stages.pruned.onnx.seconds is "x"; expected a number of 0 or more',
        ),
        (
            lambda state: state["stages"]["pruned.safetensors"]["result"]["rounds"][1].pop(
                "epochs"
            ),
            "stages.pruned.safetensors.result.rounds[1].epochs is missing",
        ),
        (
            lambda state: _pruned(state).update(rounds=[]),
            "result.rounds is a list of 0; expected a list of at least 1",
        ),
    ],
)
def test_a_damaged_run_is_named(tmp_path, change, message):
    state = run_state()
    change(state)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(state))
    with pytest.raises(InputError) as raised:
        read_run(path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda scan: scan.update(complete=False), "of a scan that is not finished"),
        (
            lambda scan: scan["whole"].update(accuracy=[0.5]),
            "whole is a list of 1; expected",
        ),
        (
            lambda scan: scan["layers"]["curves"][2].update(accuracy=[0.5, None, 0.5, 0.5]),
            "layers.curves[2].accuracy[1] is null; expected a number from 0 to 1",
        ),
        (
            lambda scan: scan["whole"].update(reference=None),
            "reference is null; expected an",
        ),
        (lambda scan: scan["settings"].pop("method"), "settings.method is missing"),
    ],
)
def test_a_damaged_scan_is_named(tmp_path, change, message):
    scan = scan_result()
    change(scan)
    path = tmp_path / "scan.json"
    path.write_text(json.dumps(scan))
    with pytest.raises(InputError) as raised:
        read_subject(path)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("comparison", "is of nnc compare; make a page of the two results it compared: nnc report"),
        ("self-check", "is of nnc bench --self-check, which a page has no room for; make one of a"),
        ("report", "is of nnc report already; make a page of the results it was made of"),
        ("other", "is no result of nnc bench, but of kind 'other'"),
        (["x"], "is no result of nnc bench, but a JSON file of another kind"),
    ],
)
def test_other_json_is_refused_with_what_to_do(tmp_path, kind, message):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"schema_version": 1, "kind": kind}))
    with pytest.raises(InputError) as raised:
        read_subject(path)
    assert str(raised.value).startswith(f"{path} {message}")
    assert "\n" not in str(raised.value)
