"""The roofline's lines: the heaviest layers, and one sentence that says where the time goes."""

from __future__ import annotations

import pytest

from nnc.toolchain.report.roofline import conclusion, heaviest, roofline_lines


def layer(name, limit_ms, ms, *, op="Conv", limit="compute", **changes):
    return {
        "name": name,
        "op": op,
        "int8": False,
        "macs": 1_500_000,
        "bytes": 2_310_000,
        "limit_ms": limit_ms,
        "limit": limit,
        "ms": ms,
        "share": None,
        **changes,
    }


def other(ms):
    return layer(
        "layout changes", 0.0, ms, op="", limit=None, macs=0, bytes=0
    )  # as it is in the JSON


def profile(layers, measured=8.2, limit=2.0):
    return {
        "threads": 1,
        "batch_size": 1,
        "limit_ms": limit,
        "attained": None if limit is None else limit / measured,
        "measured_ms": measured,
        "layers": layers,
    }


def fc(name, ms):
    return layer(name, ms / 4, ms, op="Gemm", limit="memory")


def test_the_sentence():
    found = profile(
        [layer("a", 0.5, 2.0), fc("b", 1.5), fc("c", 1.6), fc("d", 1.9), other(0.1)], 8.2
    )
    assert conclusion(found) == (
        "4.1 times the limit (8.20 ms measured, 2.00 ms at best): 2 of 4 layers take 55 % of the "
        "time, 1 compute-bound and 1 memory-bound"
    )
    found["layers"][0]["ms"], found["measured_ms"] = 0.5, 5.6
    assert conclusion(found).endswith(": 2 of 4 layers take 62 % of the time, all memory-bound")


def test_half_of_the_time_in_many_layers():
    found = profile([fc(f"l{index}", 1.0) for index in range(63)], 63.0)
    assert conclusion(found).endswith(": 32 of 63 layers take 51 % of the time, all memory-bound")


def test_layers_timed_while_the_machine_was_busier():
    found = profile([fc("a", 6.0), fc("b", 4.0)], 8.2)
    assert conclusion(found).endswith("memory-bound; timed apart, the layers add up to 10.0 ms")


def test_one_layer_and_much_outside_of_all():
    found = profile([fc("a", 3.0), fc("b", 1.0), other(1.0)], 5.0, 4.9)
    assert conclusion(found) == (
        "at the limit (5.00 ms measured, 4.90 ms at best): 1 of 2 layers takes 60 % of the time, "
        "memory-bound; 20 % in changes of layout"
    )


def test_faster_than_the_limit_and_no_limit():
    fast = profile([fc("a", 1.0)], 1.0, 2.0)
    assert conclusion(fast).startswith(
        "faster than the limit (1.00 ms measured, 2.00 ms at best; the caches serve it better than "
        "reckoned): "
    )
    unknown = profile([layer("a", None, None, limit=None), layer("b", 1.0, None)], 12.34, None)
    assert conclusion(unknown) == (
        "12.3 ms; what is possible cannot be told: 1 of 2 layers takes 100 % of the limit, "
        "compute-bound"
    )
    nothing = profile([layer("a", 0.0, None, limit=None)], 1.0, 0.0)
    assert conclusion(nothing).endswith(": no layer has anything to compute or to move")


def test_the_heaviest_come_first_and_the_rest_is_counted():
    many = [fc(f"l{index}", 1.0 + index) for index in range(14)]
    found = profile(many)
    assert [entry["name"] for entry in heaviest(found)] == [f"l{i}" for i in range(13, 3, -1)]
    lines = list(roofline_lines(found))
    assert lines[0].split() == [
        *("layer", "op", "MACs", "moved", "limit", "ms", "bound", "by", "ms", "share", "x", "limit")
    ]
    assert lines[1].split() == [
        *("l13", "Gemm", "1.50", "M", "2.31", "MB", "3.50", "memory", "14.0", "13.3", "%", "4.0x")
    ]
    assert lines[-2] == "and 4 more"
    assert lines[-1] == conclusion(found)


def test_without_times_the_limit_is_shared_out():
    found = profile([layer("a", 1.5, None, int8=True), layer("b", 0.5, None, macs=0)])
    first, second = list(roofline_lines(found))[1:3]
    assert first.split() == [
        *("a", "Conv", "int8", "1.50", "M", "2.31", "MB", "1.50", "compute", "75.0", "%")
    ]
    assert second.split() == ["b", "Conv", "2.31", "MB", "0.50", "compute", "25.0", "%"]


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_lines_keep_to_the_width(width):
    name = "a/very/long/name/of/a/node/such/as/exporters/of/other/tools/write/conv"
    found = profile([layer(name, 0.5, 2.0), other(1.0)])
    *table, sentence = roofline_lines(found, width)
    assert max(map(len, table)) <= width
    assert table[1].startswith("a/very")
    assert table[1].split("  ")[0].endswith("conv")
    assert "66.7 %" in table[1]
    assert "4.0x" in table[1]
    assert table[2].split("  ")[0].endswith("layout changes")
    assert ("1.50 M" in table[1]) is (width >= 80)
    assert sentence == conclusion(found)


def test_names_cannot_steer_the_terminal():
    found = profile([layer("a\x1b[2J\nb", 0.5, 2.0, op="Co\x1bnv")])
    assert list(roofline_lines(found))[1].startswith("a[2J b  Conv")
