from __future__ import annotations

import json

import numpy as np
import pytest
from onnx import helper

from nnc.exporters.executed.explain import explain
from nnc.exporters.executed.graph import Executed, executed_graph
from nnc.exporters.profiles import PROFILES
from nnc.runtimes.onnx_model.graph import read_graph

from ..conftest import tiny_model
from ..qdq.test_insert import X, both, network, normal

NAMES = ["a", "pool", "d", "add", "mean", "flat", "fc"]


def explained(model, batch, **options):
    _, made = both(model, batch, **options)
    return explain(made, executed_graph(made), float_nodes=options.get("float_nodes", ()))


def test_a_whole_network_in_int8():
    found = explained(tiny_model(), X)
    assert [node.name for node in found.nodes] == NAMES
    assert all(node.int8 for node in found.nodes)
    assert found.int8_mac_share == 1.0
    whys = {node.name: node.why for node in found.nodes}
    assert whys["a"] == "runs as QLinearConv"
    assert whys["pool"] == "NhwcMaxPool on the integers themselves"
    assert whys["fc"] == "runs as QGemm"
    # 8x8 pixels, 16 filters of 3x3 on one channel; 4x4 pixels, 16 on 16; 16 inputs for 10 outputs.
    macs = {node.name: node.macs for node in found.nodes if node.macs}
    assert macs == {"a": 8 * 8 * 16 * 9, "d": 4 * 4 * 16 * 16 * 9, "fc": 160}
    json.dumps(found.to_json())


def test_what_stays_float_and_how_much_of_the_work_it_is():
    found = explained(tiny_model(), X, float_nodes=["d"])
    left = {node.name: node for node in found.nodes if not node.int8}
    assert left["d"].why == "chosen to stay float"
    macs = {node.name: node.macs for node in found.nodes}
    share = 1 - macs["d"] / sum(macs.values())
    assert found.int8_mac_share == pytest.approx(share)
    _, made = both(tiny_model(), X, float_nodes=["d"])
    unnamed = explain(made, executed_graph(made))
    why = next(node.why for node in unnamed.nodes if node.name == "d")
    assert why == "chosen to stay float: its weights are stored in float"


@pytest.mark.parametrize(
    ("nodes", "name", "why"),
    [
        (
            [helper.make_node("Erf", ["p"], ["q"], "erf")],
            "erf",
            "nnc knows no int8 form of Erf for ONNX Runtime's CPU kernels",
        ),
        (
            [
                helper.make_node("Erf", ["p"], ["e"], "erf"),
                helper.make_node("Sigmoid", ["e"], ["s"], "gate"),
                helper.make_node("Erf", ["s"], ["q"], "other"),
            ],
            "gate",
            "what it reads or what reads it is float; int8 alone between them gains nothing",
        ),
        (
            [helper.make_node("Pad", ["p", "pads", "one"], ["q"], "frame")],
            "frame",
            "it pads with another value than 0",
        ),
    ],
    ids=["no int8 form", "between floats", "padding with ones"],
)
def test_whys(nodes, name, why):
    around = [helper.make_node("Conv", ["x", "a"], ["p"], "first"), *nodes]
    around.append(helper.make_node("Conv", ["q", "b"], ["y"], "last"))
    constants = {
        "a": normal(8, 3, 1, 1),
        "b": normal(8, 8, 1, 1, seed=1),
        "pads": np.array([0, 0, 0, 0, 0, 0, 0, 0]),
        "one": np.float32(1),
    }
    found = explained(network(around, constants), normal(2, 3, 8, 8, seed=3))
    assert {node.name: node.why for node in found.nodes}[name] == why


def test_no_layers_no_share():
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["p"], "pad"),
        helper.make_node("Erf", ["p"], ["y"], "erf"),
    ]
    constants = {"pads": np.array([0, 0, 0, 0, 0, 5, 0, 0])}
    assert explained(network(nodes, constants), normal(2, 3, 8, 8)).int8_mac_share == 0.0


def test_a_layer_that_takes_in_what_is_after_it():
    """ONNX Runtime names it after the last of them, or blocks its channels under a new name."""
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], "first"),
        helper.make_node("Relu", ["p"], ["q"], "second"),
        helper.make_node("Conv", ["q", "b"], ["r"], "third"),
        helper.make_node("Add", ["r", "q"], ["s"], "fourth"),
        helper.make_node("Relu", ["s"], ["t"], "fifth"),
        helper.make_node("Erf", ["t"], ["y"], "sixth"),
    ]
    constants = {"a": normal(8, 3, 1, 1), "b": normal(8, 8, 1, 1, seed=1)}
    names = [node.name for node in nodes]
    found = explained(network(nodes, constants), normal(2, 3, 8, 8, seed=3), float_nodes=names)
    assert [node.why for node in found.nodes] == ["chosen to stay float"] * 6
    assert not any(node.int8 for node in found.nodes)


def test_what_is_not_found_is_said_to_be_not_found():
    _, made = both(tiny_model(), X)
    found = explain(made, Executed({}))
    assert {node.why for node in found.nodes} == {
        "ONNX Runtime took it into another node, or left it out"
    }


def test_for_another_cpu_the_file_alone_is_told():
    """Whatever this CPU's ONNX Runtime makes of it."""
    _, made = both(tiny_model(), X, PROFILES["arm64"], float_nodes=["d", "mean"])
    found = explain(made, Executed({}), float_nodes=["d", "mean"], native=False)
    left = {node.name: node.why for node in found.nodes if not node.int8}
    assert left == {
        "d": "chosen to stay float",
        "clip": "what it reads or what reads it is float; int8 alone between them gains nothing",
        "add": "what it reads or what reads it is float; int8 alone between them gains nothing",
        "mean": "chosen to stay float",
    }
    assert {node.why for node in found.nodes if node.int8} == {"written as int8"}
    macs = {node.name: node.macs for node in found.nodes}
    assert found.int8_mac_share == pytest.approx(1 - macs["d"] / sum(macs.values()))


def test_for_another_cpu_a_whole_network():
    _, made = both(tiny_model(), X, PROFILES["arm64"])
    found = explain(made, Executed({}), native=False)
    assert [node.name for node in found.nodes if node.int8] == NAMES
    assert found.int8_mac_share == 1.0


@pytest.mark.parametrize("float_nodes", [[], ["d"], ["a", "fc"], ["mean", "d"]], ids=str)
def test_the_file_s_own_share_is_the_one_that_is_read_off_the_graph(float_nodes):
    _, made = both(tiny_model(), X, PROFILES["arm64"], float_nodes=float_nodes)
    found = explain(made, Executed({}), float_nodes=float_nodes, native=False)
    layers = read_graph(made).layers
    total = sum(layer.macs for layer in layers)
    share = sum(layer.macs for layer in layers if layer.int8) / total
    assert share == pytest.approx(found.int8_mac_share)
