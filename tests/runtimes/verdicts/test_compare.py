"""Two results side by side: what is compared, by what, and what is not."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest

from nnc.errors import BudgetError, InputError
from nnc.runtimes.accuracy.packed import pack
from nnc.runtimes.verdicts import Budgets, compare, enforce

from ...made_bench import FILES, Made, bench_result, spoilt

OLD = bench_result(FILES, images=1000)
LAST = FILES[-1]


def _new(**changes):
    """The same files measured again, the last of them another."""
    return bench_result([*FILES[:3], replace(LAST, **changes)], images=1000, seed=9)


def _last(comparison):
    return comparison.files[-1]


def test_the_same_result_shows_no_difference():
    found = compare(OLD, OLD)
    assert [file.name for file in found.files] == [made.name for made in FILES]
    assert [file.baseline for file in found.files] == [True, False, False, False]
    for file in found.files:
        verdicts = {file.accuracy.verdict, file.size.verdict, file.latency.verdict}
        assert verdicts == {"no difference shown"}
    assert found.same_images
    assert not found.machine_differences
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["kind"] == "comparison"


def test_answers_are_paired_on_the_same_images():
    file = _last(compare(OLD, _new(lost=LAST.lost + 40)))
    assert file.accuracy.verdict == "worse"
    assert file.accuracy.change.value == pytest.approx(-4.0)
    assert file.accuracy.how.startswith("the same 1,000 images: 40 lost, 0 won, McNemar p < 0.001")
    assert file.accuracy.p < 1e-9
    few = _last(compare(OLD, _new(lost=LAST.lost + 4)))
    assert few.accuracy.verdict == "no difference shown"


def test_other_images_are_two_independent_samples():
    """A drop that paired answers show is not shown by other images of that number."""
    new = bench_result([*FILES[:3], replace(LAST, lost=LAST.lost + 10)], images=990)
    found = compare(OLD, new)
    assert not found.same_images
    change = _last(found).accuracy
    assert change.verdict == "no difference shown"
    assert change.how.startswith("not the same images (1,000 of fashion-mnist-mini there, 990 ")
    assert change.change.high - change.change.low > 4


def test_other_classes_and_no_accuracy_are_not_comparable():
    labels = [f"c{i}" for i in range(10)]
    other = _last(compare(OLD, bench_result(images=1000, labels=labels))).accuracy
    assert other.verdict == "not comparable"
    assert other.how == "other classes: class 0 is 'T-shirt/top' there, 'c0' here"
    fewer = _last(compare(OLD, bench_result(images=1000, labels=labels[:8]))).accuracy
    assert fewer.how == "other classes: 10 there, 8 here"
    none = _last(compare(OLD, bench_result(accuracy=False))).accuracy
    assert (none.verdict, none.new) == ("not comparable", None)
    assert none.how == "the new result has no accuracy of it"


def test_a_speed_up_over_a_common_baseline_is_compared():
    """The whole machine twice as slow that day: the baseline was, too, so nothing is shown."""
    slower = bench_result([replace(made, ms=2 * made.ms) for made in FILES], images=1000, seed=4)
    change = _last(compare(OLD, slower)).latency
    assert change.verdict == "no difference shown"
    assert change.how == "speed-ups over mobilenet-fashion-mnist.safetensors"
    faster = _last(compare(OLD, _new(ms=0.6 * LAST.ms))).latency
    assert faster.verdict == "better"
    assert faster.change.low < 1 / 0.6 < faster.change.high


def _newer_torch(result):
    result["environment"]["versions"]["torch"] = "3.0"


def _another_baseline(result):
    result["files"][0]["sha256"] = "f" * 64


@pytest.mark.parametrize("change", [_newer_torch, _another_baseline])
def test_without_a_common_baseline_medians_are_compared_with_a_caution(change):
    found = compare(OLD, spoilt(_new(ms=2 * LAST.ms), change))
    latency = _last(found).latency
    assert latency.verdict == "worse"
    assert "which were not interleaved" in latency.how
    if change is _newer_torch:
        assert found.version_changes == ("torch 2.15.0 there, 3.0 here",)


def test_times_of_different_machines_are_refused_and_the_rest_is_compared():
    found = compare(OLD, bench_result(images=1000, machine="b" * 16))
    assert found.machine_differences == ("cpu: AMD EPYC there, Intel Xeon here",)
    file = _last(found)
    assert file.latency.verdict == "not comparable"
    assert file.latency.how == (
        "measured on different machines (cpu: AMD EPYC there, Intel Xeon here)"
    )
    assert (file.accuracy.verdict, file.size.verdict) == ("no difference shown",) * 2
    (verdict,) = compare(
        bench_result(FILES[:2]), bench_result(FILES[:2], machine="b"), Budgets(min_speedup=0.5)
    ).budgets
    assert verdict["verdict"] == "not shown"


@pytest.mark.parametrize("entry", ["cpu", "architecture", "instruction_sets"])
def test_one_identity_with_two_cpus_is_of_two_machines(entry):
    def other(result):
        result["environment"][entry] = ["sve"] if entry == "instruction_sets" else "Neoverse-N1"

    found = compare(OLD, spoilt(OLD, other))
    assert len(found.machine_differences) == 1
    assert _last(found).latency.verdict == "not comparable"


def test_a_result_that_names_no_machine_is_of_none():
    def unnamed(result):
        result["environment"].pop("machine")

    nameless = spoilt(OLD, unnamed)
    found = compare(nameless, nameless)
    assert found.machine_differences == ("the machines look alike, but their identities differ",)


def test_another_place_another_load_and_too_much_noise():
    def gpu(result):
        result["files"][-1].update(device="cuda", provider="cuda")

    def noisy(result):
        speedup = result["files"][-1]["latency"][0]["speedup"]
        speedup.update(ratio=1.0, low=0.02, high=50.0, verdict="too noisy")

    assert _last(compare(OLD, spoilt(OLD, gpu))).latency.how == (
        "ran in different places: cpu there, cuda with cuda here"
    )
    batches = bench_result(images=1000, batch_sizes=(8,))
    assert (
        _last(compare(OLD, batches)).latency.how == "no threads and batch size that both measured"
    )
    doubtful = compare(OLD, spoilt(OLD, noisy), Budgets(min_speedup=1.0))
    assert _last(doubtful).latency.verdict == "no difference shown"
    verdict = doubtful.budgets[-1]
    assert verdict["verdict"] == "not shown"
    assert "straddles the budget: the machine was too noisy; " in verdict["sentence"]


def test_the_load_that_both_measured_is_found():
    sweep = bench_result(images=1000, batch_sizes=(8, 1), seed=2)
    assert _last(compare(OLD, sweep)).latency.unit == "ms, batch 1, 1 thread"


def test_any_byte_is_a_difference_of_size():
    size = _last(compare(OLD, _new(bytes=LAST.bytes - 1))).size
    assert (size.verdict, size.old, size.new) == ("better", LAST.bytes, LAST.bytes - 1)


def test_files_are_matched_by_name_or_as_the_only_ones():
    renamed = bench_result([FILES[0], replace(LAST, name="v2.onnx")], images=1000)
    found = compare(bench_result([FILES[0], LAST], images=1000), renamed)
    assert [(file.name, file.baseline) for file in found.files] == [
        (FILES[0].name, True), ("v2.onnx", False),
    ]  # fmt: skip
    found = compare(OLD, renamed)
    assert [file.name for file in found.files] == [FILES[0].name]
    assert (found.old_alone, found.new_alone) == (
        tuple(made.name for made in FILES[1:]),
        ("v2.onnx",),
    )
    with pytest.raises(InputError, match=r"in common: a\.onnx, b\.onnx, c\.onnx there"):
        compare(
            bench_result([Made(name, 1, 10) for name in ("a.onnx", "b.onnx", "c.onnx")]),
            bench_result([Made("d.onnx", 1, 10)]),
        )


def test_names_that_occur_twice_are_matched_by_path():
    def homonyms(result):
        for place, file in enumerate(result["files"]):
            file.update(name="net.onnx", file=f"{place}/net.onnx")

    twice = spoilt(OLD, homonyms)
    swapped = spoilt(twice, lambda result: result["files"].reverse())
    found = compare(twice, swapped)
    assert [(file.old_file, file.new_file) for file in found.files] == [
        (f"{place}/net.onnx", f"{place}/net.onnx") for place in (3, 2, 1, 0)
    ]


def _on_both_devices(result):
    """Every file once more, on a GPU and three times as fast."""
    rows = copy.deepcopy(result["files"])
    for row in rows:
        row.update(device="cuda", provider="cuda")
    result["files"] += rows


def test_rows_of_one_file_are_matched_by_where_they_ran():
    both = spoilt(OLD, _on_both_devices)
    found = compare(both, spoilt(both, lambda result: result["files"].reverse()))
    assert len(found.files) == 8
    assert found.files[0].name == "pruned.int8.onnx (onnxruntime cuda)"
    assert {file.latency.how for file in found.files if "ran in" in file.latency.how} == set()
    alone = compare(both, OLD)
    assert [file.name for file in alone.files] == [made.name for made in FILES]
    assert alone.old_alone == tuple(f"{made.name} ({made.runtime} cuda)" for made in FILES)


def test_the_common_baseline_itself_shows_the_machine_alone():
    """The same bytes in the same runtime: whatever its times, nothing has changed."""
    slower = bench_result([replace(made, ms=2 * made.ms) for made in FILES], images=1000, seed=4)
    change = compare(OLD, slower).files[0].latency
    assert change.verdict == "no difference shown"
    assert change.how.endswith("so a difference is the machine's")


def test_medians_of_a_noisy_machine_show_nothing():
    def noisy(result):
        _another_baseline(result)
        result["noise"]["verdict"] = "noisy"

    change = _last(compare(OLD, spoilt(_new(ms=2 * LAST.ms), noisy))).latency
    assert change.verdict == "no difference shown"
    assert change.how.endswith("the machine was noisy in one of them, so nothing is shown")


def test_budgets_between_the_two():
    found = compare(OLD, _new(lost=LAST.lost + 40, ms=0.5 * LAST.ms), Budgets(0.5, 10, 2, 1.5))
    verdicts = {(one["file"], one["budget"]): one["verdict"] for one in found.budgets}
    assert len(verdicts) == 12
    assert verdicts[LAST.name, "max-drop"] == "missed"
    assert verdicts[LAST.name, "min-speedup"] == "held"
    assert verdicts[LAST.name, "max-size-mb"] == "held"
    assert verdicts[FILES[1].name, "max-size-mb"] == "missed"
    with pytest.raises(BudgetError, match=r"pruned\.int8\.onnx drops accuracy by 4.00 points"):
        enforce(found.budgets)


def _judged(*rows, **limits):
    verdicts = compare(*rows, Budgets(**limits)).budgets
    return {(one["file"], one["budget"]): (one["verdict"], one["sentence"]) for one in verdicts}


def test_a_file_that_is_new_is_judged_by_what_needs_no_partner():
    """A candidate of another name is never passed over for the baseline that did not change."""
    new = bench_result([FILES[0], Made("v2.onnx", 50.0, 90_000_000, lost=300)], images=1000)
    found = _judged(
        OLD, new, max_drop=0.5, max_latency_ms=1, max_size_mb=5, min_speedup=1, lenient=True
    )
    assert FILES[0].name not in {file for file, _ in found}
    assert found["v2.onnx", "max-size-mb"][0] == "missed"
    assert found["v2.onnx", "max-latency-ms"][0] == "missed"
    for budget in ("max-drop", "min-speedup"):
        assert found["v2.onnx", budget][0] == "not shown"
        assert found["v2.onnx", budget][1].endswith("because no file of that name in OLD")


def test_a_file_that_is_gone_passes_no_gate():
    found = _judged(OLD, bench_result(FILES[:3], images=1000), max_size_mb=100)
    assert found[LAST.name, "max-size-mb"] == (
        "not shown",
        f"{LAST.name}, max-size-mb 100 MB: not shown, because it is in OLD alone",
    )
    alone = _judged(OLD, bench_result(FILES[:1], images=1000), max_size_mb=100)
    assert alone[FILES[0].name, "max-size-mb"][0] == "held"
    assert len(alone) == 4


def test_beside_the_only_file_of_old_the_baseline_of_new_is_not_judged():
    new = bench_result([FILES[0], LAST], images=1000)
    found = _judged(bench_result(FILES[:1], images=1000), new, max_size_mb=2)
    assert list(found) == [(LAST.name, "max-size-mb")]


def test_a_new_file_that_died_misses_what_it_did_not_measure():
    new = bench_result([FILES[0], Made("v2.onnx", 1, 10_000, error="it died")], images=1000)
    found = _judged(OLD, new, max_latency_ms=1, max_size_mb=5)
    assert found["v2.onnx", "max-latency-ms"][0] == "missed"
    assert found["v2.onnx", "max-size-mb"][0] == "held"


def test_a_file_that_died_since():
    dead = bench_result([*FILES[:3], replace(LAST, error="its process died")], images=1000)
    found = compare(OLD, dead, Budgets(max_latency_ms=100))
    assert _last(found).error == "its process died"
    assert _last(found).latency.verdict == "not comparable"
    assert found.budgets[-1]["verdict"] == "missed"


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (pack([1] * 999), "999 answers for 1000 images"),
        (pack([10] * 1000), "an answer is class 10 of 10"),
        ({"dtype": "uint8", "count": 1000, "data": "AAAA"}, "damaged packed values"),
    ],
)
def test_damaged_answers_are_one_line(packed, message):
    def damage(result):
        result["files"][-1]["accuracy"]["predictions"] = packed

    with pytest.raises(InputError, match=message):
        compare(OLD, spoilt(OLD, damage))
