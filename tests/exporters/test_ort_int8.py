from __future__ import annotations

import errno
import json
import logging
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import nnc
from nnc.errors import NncError
from nnc.exporters.ort_int8 import Int8Settings, quantise
from nnc.model_card import ModelCard
from nnc.runtimes.onnx_model.files import read_properties, write_properties
from nnc.runtimes.preprocess import normalise
from nnc.whole_files import sha256_of

from .conftest import AVX2, noise, run_onnx, sqnr, tiny_model


@pytest.fixture(scope="module")
def int8(exported, pixels, tmp_path_factory):
    """The int8 file of an exported network, calibrated on real images, with the result."""
    done = {}

    def get(name):
        if name not in done:
            made = exported(name)
            batch = normalise(pixels[:96], made.card.input)
            path = tmp_path_factory.mktemp("int8") / f"{name}.int8.onnx"
            done[name] = (path, quantise(made.onnx, path, lambda: iter([batch]), AVX2))
        return done[name]

    return get


@pytest.mark.parametrize("name", ["mobilenet", "shufflenet"])
def test_whole_networks_run_in_int8_alone(int8, name):
    _, result = int8(name)
    # What reshapes between the pooled features and the classifier is int8 as well.
    assert [node for node in result.explanation.nodes if not node.int8] == []
    assert result.explanation.int8_mac_share == 1
    assert len(result.explanation.nodes) > 50


@pytest.mark.parametrize("name", ["mobilenet", "shufflenet"])
def test_whole_networks_take_under_30_percent_of_the_bytes(int8, exported, name):
    path, result = int8(name)
    assert path.stat().st_size < 0.3 * exported(name).onnx.stat().st_size
    assert result.size_bytes == path.stat().st_size
    assert result.source_size_bytes == exported(name).onnx.stat().st_size
    assert result.sha256 == sha256_of(path)


@pytest.mark.parametrize("name", ["mobilenet", "shufflenet"])
def test_int8_is_close_to_float_on_images_it_was_not_calibrated_on(int8, exported, pixels, name):
    path, _ = int8(name)
    made = exported(name)
    batch = normalise(pixels[96:], made.card.input)
    assert sqnr(run_onnx(made.onnx, batch), run_onnx(path, batch)) > 20


def test_card_and_history_go_into_the_file(int8, exported):
    path, result = int8("mobilenet")
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    card = ModelCard.from_properties(read_properties(model), "file")
    assert card is not None
    assert [stage.name for stage in card.history] == ["train", "export", "quantise"]
    assert card.history[-1].settings == {
        "backend": "ort",
        "target": "avx2",
        "calibration": "minmax",
        "percentile": 99.99,
        "tools": [],
        "float_nodes": [],
        "float_weights": "float32",
        "weights_only": False,
        "samples": 96,
    }
    assert card.parent_sha256 == sha256_of(exported("mobilenet").onnx)
    assert model.producer_name == "nnc"
    assert not model.graph.value_info
    json.dumps(result.to_json())


def test_same_images_same_bytes(tiny, tmp_path):
    for name in ("a.onnx", "b.onnx"):
        quantise(tiny, tmp_path / name, noise(), AVX2)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_the_source_is_not_changed_and_nothing_else_is_left(tiny, tmp_path, capfd):
    before = tiny.read_bytes()
    handlers = list(logging.getLogger().handlers)
    quantise(tiny, tmp_path / "out.onnx", noise(), AVX2)
    assert tiny.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"tiny.onnx", "out.onnx"}
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().handlers == handlers


@pytest.mark.parametrize(
    ("target", "activation", "limit"),
    [("avx2", np.uint8, 64), ("vnni", np.uint8, 127), ("arm64", np.int8, 127)],
)
def test_profiles_choose_the_types(tiny, tmp_path, target, activation, limit):
    path = tmp_path / "out.onnx"
    result = quantise(tiny, path, noise(), Int8Settings(target=target, samples=64))
    assert result.profile == target
    graph = onnx.load(path).graph
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    points = [values[n.input[2]] for n in graph.node if n.op_type == "QuantizeLinear"]
    assert points
    assert {point.dtype for point in points} == {np.dtype(activation)}
    weights = values["a.weight_quantized"]
    assert weights.dtype == np.int8
    assert np.abs(weights).max() == limit
    # By the standard's own arithmetic: another CPU's profile may saturate in this CPU's kernels.
    x = next(noise(seed=5)())[:4]
    simulated = ReferenceEvaluator(onnx.load(path)).run(None, {"input": x})[0]
    assert sqnr(run_onnx(tiny, x), simulated) > 30


def test_samples_bound_the_images_used(tiny, tmp_path):
    used = quantise(
        tiny, tmp_path / "out.onnx", noise(320), Int8Settings(target="avx2", samples=70)
    )
    assert used.samples == 70


def test_a_fixed_batch_is_kept(tmp_path):
    source = tmp_path / "fixed.onnx"
    onnx.save(tiny_model(batch=1), source)
    result = quantise(source, tmp_path / "out.onnx", noise(32), AVX2)
    assert result.samples == 32
    x = next(noise()())[:1]
    assert run_onnx(tmp_path / "out.onnx", x).shape == (1, 10)


def test_a_foreign_model_gets_the_card_it_is_given(tiny, tmp_path, card):
    quantise(tiny, tmp_path / "out.onnx", noise(), AVX2, card=card)
    found = ModelCard.from_properties(read_properties(onnx.load(tmp_path / "out.onnx")), "file")
    assert found is not None
    assert found.labels == card.labels
    quantise(tiny, tmp_path / "bare.onnx", noise(), AVX2)
    assert read_properties(onnx.load(tmp_path / "bare.onnx")) == {}


def test_a_given_card_replaces_the_files_own(tiny, tmp_path, card):
    """What the ranges were observed with must be what the file says of its input."""
    model = onnx.load(tiny)
    write_properties(model, card.to_properties())
    onnx.save(model, tiny)
    other = replace(card, input=replace(card.input, mean=(0.0,), std=(1.0,)))
    quantise(tiny, tmp_path / "out.onnx", noise(), AVX2, card=other, data="mine", seed=3)
    found = ModelCard.from_properties(read_properties(onnx.load(tmp_path / "out.onnx")), "file")
    assert found is not None
    assert found.input == other.input
    assert (found.data, found.history[-1].settings["seed"]) == ("mine", 3)


def test_the_source_is_measured_before_it_is_replaced(tiny):
    size = tiny.stat().st_size
    assert quantise(tiny, tiny, noise(), AVX2, overwrite=True).source_size_bytes == size


def test_no_room_for_the_temporary_copy(tiny, tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nnc.exporters.executed.graph.Path.write_bytes", full)
    with pytest.raises(NncError, match="no room for a temporary copy"):
        quantise(tiny, tmp_path / "out.onnx", noise(), AVX2)
    assert not (tmp_path / "out.onnx").exists()


def test_an_old_opset_is_converted(tmp_path):
    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.normal(size=(8, 1, 3, 3)).astype(np.float32), "w")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["input", "w"], ["z"]),
            helper.make_node("Clip", ["z"], ["c"], min=0.0, max=6.0),
            helper.make_node("ReduceMean", ["c"], ["y"], axes=[2, 3], keepdims=0),
        ],
        "old",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 10)], ir_version=5)
    onnx.save(model, tmp_path / "old.onnx")
    result = quantise(tmp_path / "old.onnx", tmp_path / "out.onnx", noise(), AVX2)
    assert {"Conv", "GlobalAveragePool"} <= {n.op for n in result.explanation.nodes if n.int8}
    x = next(noise(seed=3)())
    assert sqnr(run_onnx(model, x), run_onnx(tmp_path / "out.onnx", x)) > 20


def test_works_without_torch(tiny, tmp_path):
    script = textwrap.dedent("""
        import sys
        from pathlib import Path

        class Block:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in ("torch", "torchvision", "onnxscript"):
                    raise ImportError(f"{name} is blocked")

        sys.meta_path.insert(0, Block())
        import numpy as np
        from nnc.exporters.ort_int8 import Int8Settings, quantise

        batch = np.random.default_rng(0).standard_normal((8, 1, 8, 8)).astype(np.float32)
        result = quantise(Path(sys.argv[1]), Path(sys.argv[2]), lambda: iter([batch]))
        assert result.samples == 8
        assert "torch" not in sys.modules
    """)
    command = [sys.executable, "-c", script, str(tiny), str(tmp_path / "out.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.onnx").exists()
    assert str(Path(nnc.__file__).parent).encode() not in (tmp_path / "out.onnx").read_bytes()
