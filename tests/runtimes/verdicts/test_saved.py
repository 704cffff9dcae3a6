"""A saved result is read whole or refused in one line that says where it is amiss."""

from __future__ import annotations

import json
import math

import pytest

from nnc.errors import InputError
from nnc.runtimes.verdicts import saved
from nnc.runtimes.verdicts.saved import read_bench

from ...made_bench import FILES, Made, bench_result, spoilt

RESULT = bench_result(FILES[:2], images=100, profile=True)


@pytest.fixture
def written(tmp_path):
    def write(value):
        path = tmp_path / "bench.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    return write


@pytest.mark.parametrize(
    "result",
    [
        RESULT,
        bench_result(accuracy=False),
        bench_result([FILES[0], Made("dead.onnx", 1, 1000, error="it died")], images=50),
        bench_result(threads=(1, 2), batch_sizes=(1, 8), accuracy=False),
        {**RESULT, "added_later": {"x": [1]}},
    ],
    ids=["full", "without accuracy", "with an error", "sweep", "a key more"],
)
def test_what_bench_writes_is_read(written, result):
    assert read_bench(written(result)) == result


def _set(*path, to):
    def change(result):
        for key in path[:-1]:
            result = result[key]
        result[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("files", to=[]), "files is a list of 0; expected a list of at least 1"),
        (_set("files", to={}), "files is an object; expected a list of at least 1"),
        (
            _set("files", 1, "size", "bytes", to="9"),
            'files[1].size.bytes is "9"; expected a whole number of 0 or more',
        ),
        (
            _set("files", 1, "size", "bytes", to=True),
            "files[1].size.bytes is true; expected a whole number of 0 or more",
        ),
        (
            _set("files", 0, "accuracy", "top1", to=1.5),
            "files[0].accuracy.top1 is 1.5; expected a number from 0 to 1",
        ),
        (
            _set("files", 0, "accuracy", "low", to=0.99),
            "files[0].accuracy.top1 is 0.92; expected between low, 0.99, and high, 0.9",
        ),
        (
            _set("files", 1, "latency", 0, "percentiles", 50, to=0.0),
            "files[1].latency[0].percentiles[50] is 0.0; expected no less than the 0.",
        ),
        (
            _set("files", 1, "latency", 0, "percentiles", to=[1.0] * 100),
            "files[1].latency[0].percentiles is a list of 100; expected a list of 101",
        ),
        (
            _set("files", 0, "accuracy", "correct", to=90),
            "files[0].accuracy.top1 is 0.92; expected correct / images, 0.9",
        ),
        (
            _set("files", 0, "accuracy", "correct", to=101),
            "files[0].accuracy.correct is 101; expected no more than the 100 images",
        ),
        (
            _set("files", 0, "accuracy", "top5_correct", to=1),
            "files[0].accuracy.top5 is 0.94; expected top5_correct / images, 0.01",
        ),
        (
            _set("data", "images", to=99),
            "files[0].accuracy.images is 100; expected the 99 of data.images",
        ),
        (
            _set("files", 1, "agreement", "moved", to=7),
            "files[1].agreement.images is 100; expected same + lost + won + moved, 107",
        ),
        (
            lambda result: result["files"][1]["agreement"].update(same=97, lost=3),
            "files[1].agreement.difference is 0.0; expected (won - lost) / images, -0.03",
        ),
        (
            _set("files", 1, "agreement", "verdict", to="better"),
            "files[1].agreement.verdict is 'better' with ",
        ),
        (
            _set("files", 1, "latency", 0, "speedup", "verdict", to="too noisy"),
            "files[1].latency[0].speedup.verdict is 'too noisy' with ",
        ),
        (
            lambda result: result["files"][0]["latency"][0]["speedup"].update(
                verdict="faster", low=0.9, high=1.1
            ),
            "files[0].latency[0].speedup.verdict is 'faster' with 0.9 to 1.1; expected an interva",
        ),
        (
            lambda result: result["files"][1]["latency"][0]["speedup"].update(ratio=0, low=0),
            "files[1].latency[0].speedup.ratio is 0; expected a number above 0",
        ),
        (
            lambda result: result["files"][1]["latency"][0].update(median=0.0, low=0.0),
            "files[1].latency[0].median is 0.0; expected a number above 0",
        ),
        (
            lambda result: result["files"][1]["latency"][0].update(low=0.1, median=0.2, high=9),
            "files[1].latency[0].median is 0.2; expected percentiles[50], 0.4",
        ),
        (
            _set("files", 1, "latency", 0, "p99", to=77.0),
            "files[1].latency[0].p99 is 77.0; expected percentiles[99], 0.",
        ),
        (
            _set("noise", "verdict", to="loud"),
            "noise.verdict is \"loud\"; expected 'quiet' or 'noisy' or 'unknown'",
        ),
        (
            lambda result: result["files"][1].pop("agreement"),
            "files[1].agreement is missing; expected the key to be there",
        ),
        (_set("environment", to={"a": [[[[[[1]]]]]]}), "environment.a.0.0.0.0.0 is nested deeper"),
        (_set("environment", "cores", to=10**300), "environment.cores is 1000"),
        (_set("settings", "threads", to=[0]), "settings.threads[0] is 0; expected a whole number"),
    ],
)  # fmt: skip
def test_what_is_amiss_is_named(written, change, message):
    path = written(spoilt(RESULT, change))
    with pytest.raises(InputError) as raised:
        read_bench(path)
    text = str(raised.value)
    assert text.startswith(f"{path}: {message}"), text
    assert text.endswith(f"make it anew with: nnc bench FILE.. -o {path} --force")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "is not JSON: "),
        ("[1]", "is no result of nnc bench: expected a JSON object"),
        ('{"a": NaN}', "is not JSON: NaN is no number in JSON"),
        ('{"a": -Infinity}', "is not JSON: -Infinity is no number in JSON"),
        ('{"a": ' + "9" * 5000 + "}", "is not JSON: "),
        ("[" * 200_000, "is nested too deeply"),
        ({"schema_version": 1, "results": []}, "has schema version 1; this nnc reads 2; make it"),
        ({**RESULT, "schema_version": 3}, "has schema version 3; this nnc reads 2; upgrade nnc"),
        ({**RESULT, "schema_version": "2"}, 'has schema version "2"; this nnc reads 2, a whole'),
        (
            {key: value for key, value in RESULT.items() if key != "schema_version"},
            "has schema version missing; this nnc reads 2; make it anew",
        ),
        ({**RESULT, "kind": "comparison"}, "is no result of nnc bench, but of kind 'comparison'"),
        ({"schema_version": 1, "whole": {}}, "is no result of nnc bench, but a JSON file of anoth"),
        (
            {"kind": "report", "subjects": [{"bench": None}, {"bench": RESULT}]},
            "is a report, not a result of nnc bench; it holds one under subjects[1].bench",
        ),
        (
            {"kind": "report", "subjects": "none"},
            "is a report, not a result of nnc bench; expected a file of nnc bench -o",
        ),
    ],
)
def test_other_files_are_refused(written, value, message):
    path = written(value)
    with pytest.raises(InputError) as raised:
        read_bench(path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", [{"name": "my-package", "results": []}, {"kind": "scan"}])
def test_the_user_is_never_told_to_overwrite_a_foreign_file(written, value):
    with pytest.raises(InputError) as raised:
        read_bench(written(value))
    assert "--force" not in str(raised.value)
    assert str(raised.value).endswith("; expected a file of nnc bench -o")


def test_a_path_is_quoted_for_the_shell(tmp_path):
    path = tmp_path / "my result.json"
    path.write_text(json.dumps({**RESULT, "files": []}))
    with pytest.raises(InputError) as raised:
        read_bench(path)
    assert str(raised.value).endswith(f"nnc bench FILE.. -o '{path}' --force")


def test_a_byte_order_mark_is_let_through(tmp_path):
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(RESULT), encoding="utf-8-sig")
    assert read_bench(path) == RESULT


def test_a_number_too_large_for_a_float_is_refused(written):
    text = json.dumps(RESULT).replace('"steal": 0.001', '"steal": 1e999')
    assert math.isinf(json.loads(text)["noise"]["steal"])
    with pytest.raises(
        InputError, match=r"noise.steal is Infinity; expected a number of 0 or more"
    ):
        read_bench(written(text))


def test_no_text_and_far_too_large_a_file(tmp_path, monkeypatch, written):
    path = tmp_path / "x.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not JSON"):
        read_bench(path)
    monkeypatch.setattr(saved, "LARGEST_FILE", 1000)
    with pytest.raises(InputError, match="expected a result of 0 MiB at most"):
        read_bench(written(RESULT))
