"""Limits under a made-up roof, worked out by hand."""

from __future__ import annotations

import json

import pytest

from nnc.runtimes.artifact import read_artifact
from nnc.runtimes.roofline import OTHER, Peak, profile_of
from nnc.runtimes.roofline.costs import LayerCost
from nnc.runtimes.roofline.profile import profile_of_costs

PLAIN = Peak(1, flops_per_s=2e9, bytes_per_s=1e9, int8_ops_per_s=8e9)
"""A million MACs or bytes a millisecond; four million MACs in int8."""

CACHED = Peak(1, 2e9, 1e9, 8e9, cache_bytes=8_000_000, cache_bytes_per_s=4e9)
"""The same with 8 MB of a cache that is four times as fast as the memory."""


def cost(name, macs, weights, activations, *, int8=False, op="Conv"):
    return LayerCost(name, op, int8, macs, weights, activations, (name,))


def profiled(costs, peak=PLAIN, measured=10.0, **options):
    return profile_of_costs(costs, measured, peak, threads=1, batch_size=1, **options)


def test_the_later_of_arithmetic_and_bytes():
    found = profiled(
        [
            cost("conv", 4_000_000, 1_000_000, 500_000),
            cost("fc", 1_000_000, 3_000_000, 0, op="Gemm"),
            cost("relu", 0, 0, 500_000, op="Relu"),
            cost("int8", 4_000_000, 500_000, 250_000, int8=True),
        ]
    )
    assert [(layer.name, layer.limit, layer.limit_ms) for layer in found.layers] == [
        ("conv", "compute", 4.0),
        ("fc", "memory", 3.0),
        ("relu", "memory", 0.5),
        ("int8", "compute", 1.0),
    ]
    assert [layer.bytes for layer in found.layers] == [1_500_000, 3_000_000, 500_000, 750_000]
    assert found.limit_ms == 8.5
    assert found.attained == pytest.approx(0.85)


def test_int8_without_a_peak_of_its_own_has_the_float_one():
    found = profiled([cost("int8", 4_000_000, 0, 0, int8=True)], Peak(1, 2e9, 1e9))
    assert found.limit_ms == 4.0


@pytest.mark.parametrize(
    ("weights", "activations", "expected"),
    [
        # All of it stays in the cache.
        (6_000_000, 2_000_000, (6 + 2) / 4),
        # 16 MB of which the cache holds half: so much of the weights comes from memory.
        (12_000_000, 4_000_000, 6 / 1 + (6 + 4) / 4),
        # More than the cache for what one layer hands the next: half of these is in memory, too.
        (0, 16_000_000, 8 / 1 + 8 / 4),
    ],
)
def test_what_the_cache_holds_is_faster(weights, activations, expected):
    """One layer has the weights and another hands activations on, or one does both."""
    costs = [cost("fc", 0, weights, 0), cost("pool", 0, 0, activations)]
    assert profiled(costs, CACHED).limit_ms == pytest.approx(expected)
    whole = sum(layer.bytes for layer in profiled(costs, CACHED).layers)
    assert profiled(costs).limit_ms == whole / 1e6


def test_what_is_unknown_stays_unknown():
    found = profiled([cost("odd", None, 0, 1000), cost("conv", 1_000_000, 0, None)])
    assert [(x.limit_ms, x.limit) for x in found.layers] == [(None, None), (None, None)]
    assert (found.limit_ms, found.attained, found.layers[1].bytes) == (None, None, None)
    nothing = profiled([cost("empty", 0, 0, 0)])
    assert [(x.limit_ms, x.limit) for x in nothing.layers] == [(0.0, None)]


def test_times_beside_the_limits():
    costs = [cost("a", 1_000_000, 0, 0), cost("sum", 0, 0, 1000, op="Add")]
    found = profiled(costs, layer_times={"a": 6.0, "sum": 0.0, OTHER: 2.0})
    assert [(x.name, x.ms, x.share) for x in found.layers] == [
        ("a", 6.0, 0.75),
        ("sum", 0.0, 0.0),
        (OTHER, 2.0, 0.25),
    ]
    other = found.layers[-1]
    assert (other.op, other.macs, other.bytes, other.limit_ms, other.limit) == ("", 0, 0, 0.0, None)
    untimed = profiled(costs)
    assert {layer.ms for layer in untimed.layers} == {None}
    assert {layer.share for layer in untimed.layers} == {None}


def test_a_file(tiny, net):
    artifact = read_artifact(tiny())
    found = profile_of(artifact, 2.5, PLAIN, threads=1, batch_size=4)
    text = json.dumps(found.to_json(), allow_nan=False)
    read = json.loads(text)
    assert list(read) == [
        *("threads", "batch_size", "limit_ms", "attained", "measured_ms", "layers")
    ]
    assert (read["threads"], read["batch_size"], read["measured_ms"]) == (1, 4, 2.5)
    conv, mean, fc = read["layers"]
    assert conv == {
        "name": "conv",
        "op": "Conv",
        "int8": False,
        "macs": 4 * 4 * 64 * 9,
        "bytes": 4 * (40 + 4 * 320),
        "limit_ms": pytest.approx(4 * 4 * 64 * 9 / 1e6),
        "limit": "compute",
        "ms": None,
        "share": None,
    }
    assert (mean["op"], fc["limit"]) == ("GlobalAveragePool", "memory")
    assert sum(layer["macs"] for layer in read["layers"]) == 4 * net.MACS


def test_files_without_layers_have_no_profile(tiny, monkeypatch, caplog):
    from dataclasses import replace

    from nnc.runtimes.roofline import profile as module

    artifact = read_artifact(tiny())
    checkpoint = replace(artifact, kind="checkpoint")
    assert profile_of(checkpoint, 1.0, PLAIN, threads=1, batch_size=1) is None
    assert profiled([]) is None

    def broken(*_):
        raise ValueError("odd node")

    monkeypatch.setattr(module, "layer_costs", broken)
    assert profile_of(artifact, 1.0, PLAIN, threads=1, batch_size=1) is None
    assert "tiny.onnx: no roofline: its layers cannot be told (odd node)" in caplog.text
