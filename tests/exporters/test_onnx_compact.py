"""Compact files: figures before and after, the check of the outputs, and bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nnc.errors import InputError, NncError
from nnc.exporters import channels
from nnc.exporters.onnx_compact import compact_file
from nnc.model_card import ModelCard
from nnc.runtimes.onnx_model.files import read_properties, save_model, write_properties
from nnc.toolchain.report.compaction import compaction_lines
from nnc.whole_files import sha256_of

from .channels.building import Net
from .conftest import run_onnx, tiny_model
from .passes.test_shuffle import stage as shuffled_stage

X = np.random.default_rng(3).standard_normal((5, 1, 8, 8)).astype(np.float32)


def pruned_model(**arguments) -> onnx.ModelProto:
    """`tiny_model` with 6 of 16 channels zeroed in both convolutions, which a sum joins."""
    model = tiny_model(**arguments)
    for tensor in model.graph.initializer:
        if tensor.name.startswith(("a.", "d.")):
            value = numpy_helper.to_array(tensor).copy()
            value[:6] = 0
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    return model


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    save_model(model, folder / "model.onnx")
    return folder / "model.onnx"


def test_channel_shuffles_are_compiled_away_and_told(tmp_path: Path) -> None:
    path = saved(shuffled_stage(4, 2, depthwise=False, seed=1), tmp_path)
    result = compact_file(path, tmp_path / "plain.onnx")
    plain = onnx.load(tmp_path / "plain.onnx")
    assert not {"Reshape", "Transpose"} & {node.op_type for node in plain.graph.node}
    assert result.shaped == {"shuffle": 3}
    assert "channel shuffles compiled away: 3" in list(compaction_lines(result))
    images = np.random.default_rng(3).standard_normal((2, 3, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(
        run_onnx(plain, images), run_onnx(path, images), rtol=1e-4, atol=1e-4
    )


def test_the_file_is_smaller_and_says_the_same(tmp_path: Path) -> None:
    path = saved(pruned_model(), tmp_path)
    result = compact_file(path, tmp_path / "small.onnx")
    small = onnx.load(tmp_path / "small.onnx")
    onnx.checker.check_model(small, full_check=True)
    np.testing.assert_allclose(run_onnx(small, X), run_onnx(path, X), rtol=1e-4, atol=1e-4)
    before, after = 16 * 9 + 16 + 16 * 16 * 9 + 16 + 170, 10 * 9 + 10 + 10 * 10 * 9 + 10 + 110
    assert (result.before.parameters, result.after.parameters) == (before, after)
    assert result.before.nonzero_parameters == 10 * 9 + 10 + 10 * 16 * 9 + 10 + 170
    assert result.after.nonzero_parameters == after
    assert result.before.macs == 64 * 16 * 9 + 16 * 16 * 16 * 9 + 160
    assert result.after.macs == 64 * 10 * 9 + 16 * 10 * 10 * 9 + 100
    assert result.after.size_bytes == (tmp_path / "small.onnx").stat().st_size
    assert result.sha256 == sha256_of(tmp_path / "small.onnx")
    assert [str(cut) for cut in result.removed] == [
        "a: 16 to 10 channels",
        "d: 16 to 10 channels",
    ]
    assert result.odd_layers == 2
    assert result.max_relative_difference <= 1e-4
    assert result.to_json()["after"]["parameters"] == after


def test_rounding_spares_channels(tmp_path: Path) -> None:
    path = saved(pruned_model(), tmp_path)
    result = compact_file(path, tmp_path / "small.onnx", round_to=4)
    assert [cut.after for cut in result.removed] == [12, 12]
    assert (result.spared, result.odd_layers) == (2, 2)
    result = compact_file(path, tmp_path / "small.onnx", round_to=8, overwrite=True)
    assert (result.removed, result.spared, result.odd_layers) == ((), 6, 0)


def test_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    path = saved(pruned_model(), tmp_path)
    compact_file(path, tmp_path / "a.onnx")
    compact_file(path, tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_a_model_with_nothing_dead_keeps_its_weights(tmp_path: Path) -> None:
    path = saved(tiny_model(), tmp_path)
    result = compact_file(path, tmp_path / "same.onnx")
    assert result.removed == ()
    assert result.max_abs_difference == 0
    assert result.before.parameters == result.after.parameters


def test_the_card_says_what_was_done(tmp_path: Path, card: ModelCard) -> None:
    model = pruned_model()
    write_properties(model, card.to_properties())
    path = saved(model, tmp_path)
    compact_file(path, tmp_path / "small.onnx", round_to=2)
    found = ModelCard.from_properties(read_properties(onnx.load(tmp_path / "small.onnx")), "file")
    assert found is not None
    assert found.history[-1].name == "compact"
    assert found.history[-1].settings == {"round_to": 2}
    assert found.history[-1].command == "nnc compact model.onnx --round-to 2"
    assert found.parent_sha256 == sha256_of(path)
    assert found.labels == card.labels


def test_half_precision_is_compared_by_its_own_measure(tmp_path: Path) -> None:
    net = Net(dtype=np.float16)
    x = net.add("HardSigmoid", net.conv("x", 3, 64, 3, dead=range(20), name="first"))
    path = saved(net.model(net.conv(x, 64, 4)), tmp_path)
    result = compact_file(path, tmp_path / "small.onnx")
    assert [cut.after for cut in result.removed] == [44]


def test_outputs_that_are_whole_numbers_alone_are_not_compared(tmp_path: Path) -> None:
    net = Net()
    x = net.conv("x", 3, 8, 3, dead=[1, 2], name="first")
    label = net.add("ArgMax", net.add("Flatten", net.conv(x, 8, 4)), axis=1)
    result = compact_file(saved(net.model(label), tmp_path), tmp_path / "small.onnx")
    assert [cut.after for cut in result.removed] == [6]
    assert (result.max_abs_difference, result.max_relative_difference) == (None, None)
    assert result.to_json()["max_abs_difference"] is None
    assert "were not compared" in "".join(compaction_lines(result))


def test_a_graph_that_differs_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(pruned_model(), tmp_path)
    true_compact = channels.compact

    def wrong(model: onnx.ModelProto, *, round_to: int = 1) -> channels.Compaction:
        done = true_compact(model, round_to=round_to)
        bias = next(t for t in model.graph.initializer if t.name == "fc.bias")
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 0.1, bias.name))
        return done

    monkeypatch.setattr(channels, "compact", wrong)
    with pytest.raises(NncError, match=r"differ by .* relative; .* so nothing was written"):
        compact_file(path, tmp_path / "small.onnx")
    assert [found.name for found in tmp_path.iterdir()] == ["model.onnx"]


def test_bad_input_is_said_in_one_line(tmp_path: Path) -> None:
    path = saved(pruned_model(), tmp_path)
    with pytest.raises(InputError, match=r"none\.onnx"):
        compact_file(tmp_path / "none.onnx", tmp_path / "out.onnx")
    with pytest.raises(InputError, match="exists"):
        compact_file(path, path)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(InputError):
        compact_file(tmp_path / "text.onnx", tmp_path / "out.onnx")
    model = pruned_model()
    weights = numpy_helper.to_array(model.graph.initializer[2]).copy()
    weights[0, 0] = np.nan
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(weights, "d.weight"))
    save_model(model, path, overwrite=True)
    with pytest.raises(InputError, match="NaN") as caught:
        compact_file(path, tmp_path / "out.onnx")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.onnx").exists()


def test_computed_weights_are_counted_and_lose_channels(tmp_path: Path) -> None:
    net = Net()
    weight = net.add("Mul", net.weight(8, 3, 3, 3, name="w", dead=[1, 2]), net.weight(8, 1, 1, 1))
    model = net.model(net.conv(net.add("Conv", "x", weight, pads=[1] * 4), 8, 4))
    result = compact_file(saved(model, tmp_path), tmp_path / "small.onnx")
    assert result.before.parameters == 8 * 27 + 8 * 4 + 4
    assert result.after.parameters == 6 * 27 + 6 * 4 + 4


@pytest.mark.parametrize("shape", [(8, 3, 3, 3), (8, 64, 1, 1)])
def test_weights_stored_as_int8_stay_so(tmp_path: Path, shape: tuple[int, ...]) -> None:
    net = Net()
    small = net.constant((np.arange(np.prod(shape)) % 100).astype(np.int8).reshape(shape))
    weight = net.add("Mul", net.add("Cast", small, to=TensorProto.FLOAT), net.weight(8, 1, 1, 1))
    model = net.model(net.add("Conv", net.conv("x", 3, shape[1]), weight))
    result = compact_file(saved(model, tmp_path), tmp_path / "small.onnx")
    assert result.after.size_bytes <= result.before.size_bytes


def test_inputs_that_are_no_images_are_refused(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)],
        "cast",
        [helper.make_tensor_value_info("x", TensorProto.INT64, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    with pytest.raises(InputError, match="takes int64"):
        compact_file(saved(model, tmp_path), tmp_path / "out.onnx")
