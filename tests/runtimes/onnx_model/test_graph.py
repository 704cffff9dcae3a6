"""Parameters and MACs of float and int8 graphs against hand-counted figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnc.runtimes.onnx_model.files import load_model
from nnc.runtimes.onnx_model.graph import read_graph

onnx = pytest.importorskip("onnx")


def quantised(tiny, tmp_path: Path, kind: str) -> Path:
    """The tiny network as ONNX Runtime quantises it, per channel."""
    quantization = pytest.importorskip("onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.feeds = iter([{"x": np.random.default_rng(0).normal(size=(8, 1, 8, 8))}])

        def get_next(self):
            feed = next(self.feeds, None)
            return feed and {"x": feed["x"].astype(np.float32)}

    path = tmp_path / f"{kind}.onnx"
    quantization.quantize_static(
        tiny(),
        path,
        Reader(),
        quant_format=quantization.QuantFormat[kind],
        per_channel=True,
        weight_type=quantization.QuantType.QInt8,
    )
    return path


def test_float_graph(net):
    facts = read_graph(net.tiny_model())
    assert facts.parameters == net.PARAMETERS
    assert facts.nonzero_parameters == net.PARAMETERS - 2
    assert facts.macs == net.MACS
    assert facts.output_shape == (1, 3)
    conv, fc = facts.layers
    assert (conv.name, conv.op, conv.output_shape) == ("conv", "Conv", (1, 4, 8, 8))
    assert (conv.parameters, conv.macs, conv.dtype) == (40, 4 * 64 * 9, "float32")
    assert (fc.name, fc.op, fc.output_shape) == ("fc", "Gemm", (1, 3))


def test_a_fixed_batch_is_divided_out(net):
    assert read_graph(net.tiny_model(batch=16)).macs == net.MACS


@pytest.mark.parametrize("kind", ["QDQ", "QOperator"])
def test_int8_graph_counts_as_the_float_one(tiny, tmp_path, net, kind):
    facts = read_graph(load_model(quantised(tiny, tmp_path, kind)))
    assert facts.parameters == net.PARAMETERS
    assert facts.macs == net.MACS
    assert net.PARAMETERS - 8 <= facts.nonzero_parameters <= net.PARAMETERS - 2
    assert {layer.dtype for layer in facts.layers} == {"int8"}


def test_nonzero_means_unequal_to_the_channel_s_zero_point(net):
    weight = np.array([[5, 5, 6, 0], [7, 7, 7, 7], [0, 0, 1, 0]], np.uint8)
    constants = {
        "w": weight,
        "scale": np.ones(3, np.float32),
        "zero": np.array([5, 7, 0], np.uint8),
    }
    make = onnx.helper.make_node
    nodes = [
        make("DequantizeLinear", ["w", "scale", "zero"], ["wf"], axis=0),
        make("ReduceMax", ["x"], ["m"], axes=[3], keepdims=0),
        make("ReduceMax", ["m"], ["n"], axes=[2]),
        make("Flatten", ["n"], ["o"]),
        make("Concat", ["o", "o", "o", "o"], ["p"], axis=1),
        make("Gemm", ["p", "wf"], ["y"], transB=1),
    ]
    facts = read_graph(net.wrap(nodes, constants))
    assert (facts.parameters, facts.nonzero_parameters, facts.macs) == (12, 3, 12)


def test_shapes_clips_and_scales_are_no_parameters_and_sharing_counts_once(net):
    constants = {
        "w": np.ones((4, 4), np.float32),
        "bias": np.array([1, 0, 2, 3], np.float32),
        "two": np.float32(2).reshape(()),
        "shape": np.array([-1, 4], np.int64),
        "low": np.float32(0).reshape(()),
    }
    make = onnx.helper.make_node
    nodes = [
        make("Reshape", ["x", "shape"], ["a"]),
        make("MatMul", ["a", "w"], ["b"]),
        make("Add", ["b", "bias"], ["c"]),
        make("Add", ["c", "two"], ["d"]),
        make("Clip", ["d", "low"], ["e"]),
        make("MatMul", ["e", "w"], ["f"]),
        make("Add", ["f", "a"], ["y"]),
    ]
    facts = read_graph(net.wrap(nodes, constants))
    assert facts.parameters == 16 + 4
    assert facts.nonzero_parameters == 16 + 3
    assert facts.macs == 2 * 16 * 16
    assert [layer.op for layer in facts.layers] == ["MatMul", "Add", "MatMul"]


def test_macs_are_unknown_rather_than_wrong(net):
    make = onnx.helper.make_node
    nodes = [
        make("Mystery", ["x"], ["a"], domain="com.microsoft"),
        make("MatMul", ["a", "w"], ["y"]),
    ]
    facts = read_graph(net.wrap(nodes, {"w": np.ones((4, 3), np.float32)}))
    assert facts.macs is None
    assert facts.parameters == 12


def test_a_value_made_of_itself_does_not_hold_up_the_count(net):
    make = onnx.helper.make_node
    nodes = [make("Identity", ["x"], ["x"]), make("MatMul", ["x", "x"], ["y"])]
    assert read_graph(net.wrap(nodes, {})).parameters == 0


def test_a_layer_without_its_inputs_has_unknown_macs(net):
    make = onnx.helper.make_node
    nodes = [make("Conv", ["x"], ["a"]), make("Flatten", ["a"], ["y"])]
    facts = read_graph(net.wrap(nodes, {}))
    assert (facts.parameters, facts.macs) == (0, None)
