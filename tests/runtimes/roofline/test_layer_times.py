"""Times by layer: what ONNX Runtime executes, traced back to the layers of the model."""

from __future__ import annotations

import numpy as np
import pytest

from nnc.errors import InputError
from nnc.model_card import InputSpec
from nnc.runtimes.roofline import OTHER, time_layers, timed_nodes
from nnc.runtimes.roofline.costs import layer_costs
from nnc.runtimes.roofline.layer_times import by_layer
from nnc.runtimes.roofline.timed_nodes import TimedNode, time_nodes

from ...exporters.conftest import tiny_model
from ...exporters.qdq.test_insert import X, both
from .test_costs import floats, model, node

ort = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

SPEC = InputSpec(1, 8, 8, (0.5,), (0.25,))


@pytest.fixture
def few_runs(monkeypatch):
    monkeypatch.setattr(timed_nodes, "_RUNS", (2, 2))


def timed(made, tmp_path, image=(1, 8, 8)):
    """What a model's nodes take, in this process, and its layers' times of it."""
    path = tmp_path / "timed.onnx"
    onnx.save(made, path)
    batch = np.random.default_rng(0).normal(size=(1, *image)).astype(np.float32)
    found = time_nodes(path, 1, batch)
    return found, by_layer(made.graph, layer_costs(made, image, 1), found)


def test_a_float_network(tmp_path, few_runs):
    found, times = timed(tiny_model(), tmp_path)
    assert list(times) == ["a", "pool", "d", "add", "mean", "fc", OTHER]
    assert min(times.values()) >= 0
    for op, names in (("Conv", ("a", "d")), ("MaxPool", ("pool",)), ("Gemm", ("fc",))):
        own = [node.ms for node in found if op in node.op]
        assert sum(times[name] for name in names) == pytest.approx(sum(own))
        assert len(own) == len(names)
    assert sum(times.values()) == pytest.approx(sum(node.ms for node in found))


def test_an_int8_network_whose_q_dq_have_no_names(tmp_path, few_runs):
    _, made = both(tiny_model(), X)
    found, times = timed(made, tmp_path)
    assert list(times) == ["input_int8", "a", "pool", "d", "add", "mean", "fc", OTHER]
    assert min(times.values()) >= 0
    convolutions = [node.ms for node in found if node.op == "QLinearConv"]
    assert [times["a"], times["d"]] == convolutions
    (border,) = (node.ms for node in found if node.op == "QuantizeLinear")
    assert times["input_int8"] == border


def test_a_float_layer_among_int8_layers_and_its_borders(tmp_path, few_runs):
    _, made = both(tiny_model(), X, float_nodes=["d"])
    found, times = timed(made, tmp_path)
    borders = [node for node in found if node.op in ("QuantizeLinear", "DequantizeLinear")]
    assert len(borders) == 3
    layers = {cost.name for cost in layer_costs(made, (1, 8, 8), 1) if "Linear" in cost.op}
    assert sum(times[name] for name in layers) == pytest.approx(sum(n.ms for n in borders))


def test_sums_and_activations_within_a_convolution(tmp_path, few_runs):
    """Executed are two convolutions, one of which is named after the last of what it takes in."""
    nodes = [
        node("Conv", ["x", "a"], ["p"], "first"),
        node("Relu", ["p"], ["q"], "second"),
        node("Conv", ["q", "b"], ["r"], "third"),
        node("Add", ["r", "q"], ["s"], "fourth"),
        node("Relu", ["s"], ["t"], "fifth"),
        node("Erf", ["t"], ["y"], "sixth"),
    ]
    made = model(nodes, {"a": floats(8, 3, 1, 1), "b": floats(8, 8, 1, 1)}, channels=3, size=8)
    found, times = timed(made, tmp_path, (3, 8, 8))
    products = [node for node in found if "Conv" in node.op]
    assert len(products) == 2
    assert times["first"] + times["third"] == pytest.approx(sum(node.ms for node in products))
    assert list(times) == ["first", "third", "fourth", OTHER]
    assert min(times.values()) >= 0
    # What is left of the sum's own layer: on ARM its sum and activation, too.
    rest = sum(node.ms for node in found if node.op in ("Add", "Relu", "Erf"))
    assert times["fourth"] == pytest.approx(rest)


@pytest.mark.parametrize("pools", [True, False])
def test_an_operator_taken_apart_is_still_itself(tmp_path, few_runs, pools):
    """After a pooling HardSwish is a layer, else part of the convolution."""
    nodes = [
        node("Conv", ["x", "a"], ["p"], "one"),
        *([node("MaxPool", ["p"], ["m"], "pool", kernel_shape=[2, 2])] if pools else []),
        node("HardSwish", ["m" if pools else "p"], ["h"], "swish"),
        node("Conv", ["h", "a"], ["y"], "two"),
    ]
    made = model(nodes, {"a": floats(8, 8, 1, 1)})
    found, times = timed(made, tmp_path, (8, 4, 4))
    rest = [node for node in found if not any(k in node.op for k in ("Conv", "Pool", "Reo"))]
    apart = sum(node.ms for node in rest)
    assert rest or not pools
    products = [node.ms for node in found if "Conv" in node.op]
    assert len(products) == 2
    assert times["two"] == products[1]
    assert times["swish" if pools else "one"] == pytest.approx(
        apart + (0.0 if pools else products[0])
    )


def made_up(op, name, inputs, outputs, ms):
    return TimedNode(name, op, tuple(inputs), tuple(outputs), ms)


def test_names_as_the_optimisers_write_them():
    nodes = [
        node("Conv", ["x", "w"], ["c"], "conv"),
        node("Relu", ["c"], ["r"], "act"),
        node("Flatten", ["r"], ["f"], "flat"),
        node("Gemm", ["f", "v"], ["g"], "fc"),
        node("Relu", ["g"], ["h"], "last"),
        node("Transpose", ["h"], ["y"], "turn", perm=[1, 0]),
    ]
    made = model(nodes, {"w": floats(8, 8, 1, 1), "v": floats(128, 6)})
    executed = [
        made_up("ReorderInput", "ReorderInput_token_3", ["x"], ["reorder_token_1"], 0.5),
        made_up("Conv", "r_nchwc", ["reorder_token_1", "w"], ["reorder_token_2"], 4.0),
        made_up("ReorderOutput", "ReorderOutput", ["reorder_token_2"], ["r"], 0.25),
        made_up("Flatten", "flat", ["r"], ["f"], 0.125),
        made_up("FusedGemm", "fused fc", ["f", "v"], ["h"], 2.0),
        made_up("Transpose", "Transpose_token_9", ["h"], ["h2"], 1.0),
        made_up("Transpose", "turn", ["h2"], ["y"], 8.0),
    ]
    times = by_layer(made.graph, layer_costs(made, (8, 4, 4), 2), executed)
    # Changes of layout and a Flatten are no layer's.
    assert times == {"conv": 4.0, "fc": 2.0, "turn": 8.0, OTHER: 0.5 + 0.25 + 0.125 + 1.0}


def test_the_profiler_s_own_cost_is_taken_off(monkeypatch):
    """As far as it shows in the whole, and the node that does least has time for it."""
    from nnc.runtimes.ort.profile import NodeTime, ProfiledRun

    empty = onnx.GraphProto()
    nodes = (NodeTime("a", "Conv", 120.0, 6), NodeTime("b", "Flatten", 14.0, 2))
    runs = [ProfiledRun(nodes, 160.0)] * 3

    def left(without_ms):
        return [node.ms for node in timed_nodes._nodes(empty, runs, without_ms)]

    # 18 shares for one and 14 for the other: a microsecond each at most.
    assert left(0.090) == pytest.approx([0.102, 0.0])
    assert left(0.118) == pytest.approx([0.120 - 0.009, 0.014 - 0.007])
    assert left(0.200) == pytest.approx([0.120, 0.014])


def test_in_a_process_of_its_own(tiny):
    times = time_layers(tiny(), SPEC, threads=1, batch_size=2)
    assert list(times) == ["conv", "c", "fc", OTHER]
    assert max(times.values()) > 0


def test_what_cannot_be_profiled_is_said_in_one_line(tiny, tmp_path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(InputError, match=r"only .onnx files can be profiled; leave out --profile"):
        time_layers(path, SPEC, threads=1, batch_size=1)
    fixed = tiny(batch=4)
    with pytest.raises(InputError, match=r"tiny.onnx: ONNX Runtime cannot profile it: ") as error:
        time_layers(fixed, SPEC, threads=1, batch_size=2)
    assert "\n" not in str(error.value)


def test_an_operator_that_keeps_its_name_in_its_last_node_alone():
    """HardSwish after a pooling, as it is executed without blocked layouts."""
    nodes = [
        node("Conv", ["x", "a"], ["p"], "one"),
        node("MaxPool", ["p"], ["m"], "pool", kernel_shape=[2, 2]),
        node("HardSwish", ["m"], ["h"], "swish"),
        node("Conv", ["h", "a"], ["y"], "two"),
    ]
    made = model(nodes, {"a": floats(8, 8, 1, 1)})
    executed = [
        made_up("Conv", "one", ["x", "a"], ["p"], 4.0),
        made_up("MaxPool", "pool", ["p"], ["m"], 0.5),
        made_up("HardSigmoid", "", ["m"], ["swish_1"], 0.25),
        made_up("Mul", "", ["m", "swish_1"], ["h"], 0.125),
        made_up("Conv", "two", ["h", "a"], ["y"], 2.0),
    ]
    times = by_layer(made.graph, layer_costs(made, (8, 4, 4), 1), executed)
    assert times == {"one": 4.0, "pool": 0.5, "swish": 0.375, "two": 2.0, OTHER: 0.0}
