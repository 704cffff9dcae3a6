"""The headline: gains and costs in words, and no claim that the intervals do not bear."""

from __future__ import annotations

from dataclasses import replace

from nnc.toolchain.report.page.headline import headline

from ...made_bench import FILES, bench_result, spoilt

BASE, REFERENCE, PRUNED, INT8 = FILES


def _claim(*files, **settings):
    return headline(bench_result(files, **settings)).claim


def test_a_slower_larger_better_file():
    slow = replace(INT8, name="big.onnx", ms=14.0, bytes=3 * BASE.bytes, lost=0, won=60)
    claim = _claim(BASE, slow)
    assert claim.startswith("big.onnx takes 2.0")
    assert claim.endswith(
        " times as long as mobilenet-fashion-mnist.safetensors and is 3.00 times its size, and "
        "gains 3.00 points of accuracy."
    )


def test_a_gain_is_set_against_a_loss():
    assert (
        " as fast as mobilenet-fashion-mnist.safetensors but 89 % larger, with no difference "
        in (_claim(BASE, REFERENCE))
    )


def test_no_difference_is_no_claim():
    same = replace(BASE, name="same.onnx", lost=3, won=2)
    assert _claim(BASE, same, seed=3) == (
        "same.onnx is not shown to be faster or slower than mobilenet-fashion-mnist.safetensors "
        "and of the same size, with no difference in accuracy shown on 2,000 images."
    )


def test_too_much_noise_is_no_claim():
    def noisy(result):
        result["files"][-1]["latency"][0]["speedup"]["verdict"] = "too noisy"
        result["noise"]["verdict"] = "noisy"

    found = headline(spoilt(bench_result([BASE, INT8]), noisy))
    assert found.claim.startswith("pruned.int8.onnx could not be timed well enough to tell it from")
    assert found.sure.endswith("The machine was noisy: times are worth less than they look.")
    assert found.tiles[0].value == "too noisy"
    assert found.tiles[0].mood == ""


def test_the_runtimes_share_is_told_apart():
    """A speed-up over another runtime says little of what pruning did."""
    found = headline(bench_result(FILES)).sure
    assert "Against reference.onnx, in the same runtime, it is 1.7" in found
    slower = replace(INT8, ms=0.5)
    text = headline(bench_result([*FILES[:3], slower])).sure
    assert "it is 1.2" in text
    assert "times as slow" in text
    equal = replace(INT8, ms=REFERENCE.ms)
    assert "no difference in speed is shown" in headline(bench_result([*FILES[:3], equal])).sure
    assert "same runtime" not in headline(bench_result([REFERENCE, PRUNED, INT8])).sure
    assert "same runtime" not in headline(bench_result([BASE, INT8])).sure


def test_nothing_could_be_measured():
    dead = [replace(made, error="its process died") for made in FILES[:2]]
    found = headline(bench_result(dead))
    assert (found.claim, found.sure) == ("No file could be measured.", "its process died")


def test_a_file_that_died_is_named():
    files = [replace(m, error="it died") if i == 2 else m for i, m in enumerate(FILES)]
    found = headline(bench_result(files))
    assert f"Not measured to the end, because of an error: {FILES[2].name}." in found.sure
    assert found.claim.startswith("pruned.int8.onnx is ")


def test_a_baseline_that_died_is_no_success():
    """Its size is known, but nothing else: no gain is claimed, no tile coloured."""
    found = headline(bench_result([replace(REFERENCE, error="it died"), INT8]))
    assert found.claim == (
        "The baseline reference.onnx could not be measured, so nothing is compared."
    )
    assert found.sure.startswith("pruned.int8.onnx is right on 90.90 % of 2,000 test images and ")
    assert "Not measured to the end, because of an error: reference.onnx." in found.sure
    assert {tile.mood for tile in found.tiles} == {""}
    assert [tile.value for tile in found.tiles] == ["90.90 %", "1.66 MB", "90 MB"]


def test_only_what_is_shown_has_a_colour():
    def heavier(result):
        result["files"][1]["peak_memory_bytes"] = 93_150_000

    alike = replace(PRUNED, name="alike.onnx", bytes=REFERENCE.bytes + 900)
    size, memory = headline(spoilt(bench_result([REFERENCE, alike]), heavier)).tiles[2:]
    assert (size.value, size.mood) == ("\u00b10 %", "")
    assert (memory.value, memory.mood) == ("+3.5 %", "")
    assert headline(bench_result([REFERENCE, INT8])).tiles[2].mood == "good"
    assert headline(bench_result([INT8, REFERENCE])).tiles[2].mood == "bad"


def test_the_medians_beside_a_speedup_are_called_so():
    tile = headline(bench_result([REFERENCE, INT8])).tiles[0]
    assert tile.details[1].startswith("medians 0.4")
    assert len(tile.details) == 2
