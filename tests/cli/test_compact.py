"""``nnc compact``: what it prints and writes, its codes, and that it needs no torch."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from nnc.runtimes.onnx_model.files import save_model

from ..exporters.channels.building import Net
from .conftest import tiny_model


@pytest.fixture
def pruned(tmp_path: Path) -> Path:
    """The tiny network with 3 of 8 and 10 of 16 filters at zero."""
    model = tiny_model()
    for tensor in model.graph.initializer:
        if (dead := {"w1": 3, "b1": 3, "w2": 10, "b2": 10}.get(tensor.name)) is not None:
            value = numpy_helper.to_array(tensor).copy()
            value[:dead] = 0
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    save_model(model, tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_it_prints_before_and_after_and_writes_beside_the_model(nnc, pruned: Path) -> None:
    result = nnc("compact", pruned)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].split() == ["before", "after"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:5]}
    assert rows["parameters"] == ["1,418", "396", "27.9%"]
    assert rows["non-zero"][1] == "396"
    assert set(rows) == {"parameters", "non-zero", "MACs", "bytes"}
    assert "largest output difference" in result.out
    assert "narrower layers: 2" in result.out
    assert "--round-to 8" in result.out
    output = pruned.with_name("net.compact.onnx")
    assert result.last_line.startswith(f"wrote {output} (")
    shapes = {t.name: list(t.dims) for t in onnx.load(output).graph.initializer}
    assert shapes["w2"] == [6, 5, 3, 3]


def test_rounded(nnc, pruned: Path) -> None:
    result = nnc("compact", pruned, "--round-to", 8)
    assert result.code == 0
    assert "dead channels stay" in result.out
    assert "no multiple of 8" not in result.out
    shapes = {
        t.name: list(t.dims)
        for t in onnx.load(pruned.with_name("net.compact.onnx")).graph.initializer
    }
    assert shapes["w2"] == [8, 8, 3, 3]


def test_zero_filters_that_cannot_go_are_said(nnc, tmp_path: Path) -> None:
    net = Net()
    x = net.conv("x", 3, 8, 3, name="held", dead=[1, 2, 5])
    save_model(net.model(net.conv(net.add("Softmax", x, axis=1), 8, 4)), tmp_path / "net.onnx")
    result = nnc("compact", tmp_path / "net.onnx", "-o", tmp_path / "out.onnx")
    assert result.code == 0
    assert "\n3 filters or neurons of zeros stay in 1 layers (held): a sum with" in result.out
    assert "8 channels that pass through Softmax" in result.out
    assert "no dead channel or neuron found" not in result.out
    result = nnc("compact", tmp_path / "net.onnx", "-o", tmp_path / "out.onnx", "--force", "--json")
    assert json.loads(result.out)["zeroed"] == [{"layer": "held", "before": 8, "after": 5}]


def test_layers_that_stay_odd_although_rounded_are_explained(nnc, tmp_path: Path) -> None:
    """Of a depthwise layer behind parts of two others."""
    net = Net()
    first = net.conv("x", 3, 16, 3, dead=range(8))
    second = net.conv("x", 3, 16, 3, dead=range(8, 16))
    part, rest = net.add("Split", first, net.ints(11, 5), outputs=2, axis=1)
    y = net.conv(net.add("Concat", part, second, axis=1), 27, 27, 3, group=27, name="odd")
    y = net.add("Concat", y, rest, axis=1)
    save_model(net.model(net.conv(y, 32, 4)), tmp_path / "net.onnx")
    result = nnc("compact", tmp_path / "net.onnx", "-o", tmp_path / "o.onnx", "--round-to", 8)
    assert result.code == 0
    assert "no multiple of 8 even so: 1 (odd: 11); a depthwise layer has as many" in result.out
    result = nnc("compact", tmp_path / "net.onnx", "-o", tmp_path / "p.onnx")
    assert "no multiple of 8: 1; ONNX Runtime computes these slowly" in result.out


def test_json(nnc, pruned: Path, tmp_path: Path) -> None:
    result = nnc("compact", pruned, "-o", tmp_path / "out.onnx", "--json")
    value = json.loads(result.out)
    assert value["before"]["parameters"] == 1418
    assert value["after"]["parameters"] == 396
    assert value["removed"][0] == {"layer": "w1", "before": 8, "after": 5}


def test_nothing_dead_is_said(nnc, foreign_onnx: Path, tmp_path: Path) -> None:
    result = nnc("compact", foreign_onnx, "-o", tmp_path / "out.onnx")
    assert result.code == 0
    assert "no dead channel or neuron found; the graph is as it was" in result.out


def test_bad_input_is_one_line_and_code_2(nnc, pruned: Path, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    for arguments in (
        ("compact", tmp_path / "none.onnx"),
        ("compact", tmp_path / "text.onnx"),
        ("compact", pruned, "-o", pruned),
        ("compact", pruned, "--round-to", 0),
    ):
        result = nnc(*arguments)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("nnc: error: ")
        assert result.err.count("\n") == 1
