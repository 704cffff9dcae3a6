"""Comparing a rewritten graph with the model, however much the model's own rounding says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from nnc.errors import InputError, NncError
from nnc.exporters.onnx_compact import compact_file
from nnc.exporters.same_outputs import (
    HALF_RELATIVE_DIFFERENCE,
    LARGEST_RELATIVE_DIFFERENCE,
    Likeness,
    compare_outputs,
    outputs_of,
)
from nnc.runtimes.onnx_model.files import save_model

IMAGES = {"x": np.random.default_rng(0).standard_normal((2, 3, 6, 6)).astype(np.float32)}


def network(
    depth: int = 2,
    gain: float = 1,
    *,
    cubic: bool = False,
    reordered: bool = False,
    wrong: float = 0,
    dtype: type = np.float32,
) -> onnx.ModelProto:
    """Convolutions and sines, which make more of a difference the greater ``gain`` is; ``cubic``:
    only where the input is large. ``reordered``: the same with its filters in another order.
    ``wrong``: the last weights are that much too large."""
    random, shuffler = np.random.default_rng(1), np.random.default_rng(2)
    nodes, constants, x, channels = [], {}, "x", 3
    order = np.arange(3)
    for index in range(depth):
        weight = random.standard_normal((8, channels, 3, 3)) * gain / np.sqrt(9 * channels)
        last = index == depth - 1
        weight = weight[:, order]
        order = shuffler.permutation(8) if reordered and not last else np.arange(8)
        weight = weight[order] * (1 + wrong * last)
        constants[f"w{index}"] = weight.astype(dtype)
        nodes.append(helper.make_node("Conv", [x, f"w{index}"], [f"c{index}"], pads=[1] * 4))
        x = f"c{index}"
        if cubic:
            nodes.append(helper.make_node("Mul", [x, x], [f"square{index}"]))
            nodes.append(helper.make_node("Mul", [x, f"square{index}"], [f"cube{index}"]))
            nodes.append(helper.make_node("Add", [x, f"cube{index}"], [f"sum{index}"]))
            x = f"sum{index}"
        if last or not cubic:
            nodes.append(helper.make_node("Sin", [x], [f"s{index}"]))
            x = f"s{index}"
        channels = 8
    nodes[-1].output[0] = "y"
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, ["n", 3, 6, 6])],
        [helper.make_tensor_value_info("y", kind, [None] * 4)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def compared(folder: Path, changed: dict[str, Any], **told: Any) -> Likeness:
    save_model(network(**told), folder / "model.onnx", overwrite=True)
    dtype = told.get("dtype", np.float32)
    images = {name: value.astype(dtype) for name, value in IMAGES.items()}
    expected = outputs_of(str(folder / "model.onnx"), images, folder / "model.onnx")
    other = network(**told, **changed).SerializeToString()
    return compare_outputs(folder / "model.onnx", images, expected, other)


CALM = {"depth": 2}
LARGE_ONLY = {"depth": 4, "gain": 2, "cubic": True}
ROUGH = {"depth": 8, "gain": 4}
CHAOTIC = {"depth": 14, "gain": 8}
HALF = {"depth": 2, "dtype": np.float16}


def test_a_calm_network_is_held_to_the_limit_on_ordinary_input(tmp_path: Path) -> None:
    found = compared(tmp_path, {"reordered": True}, **CALM)
    assert found.allowed == LARGEST_RELATIVE_DIFFERENCE
    assert found.input_scale == 1
    assert 0 < found.max_relative_difference < 1e-5


def test_a_network_that_explodes_is_held_to_the_limit_on_smaller_input(tmp_path: Path) -> None:
    found = compared(tmp_path, {"reordered": True}, **LARGE_ONLY)
    assert found.allowed == LARGEST_RELATIVE_DIFFERENCE
    assert found.input_scale < 1


def test_a_rough_network_is_held_to_its_own_rounding(tmp_path: Path) -> None:
    found = compared(tmp_path, {"reordered": True}, **ROUGH)
    assert LARGEST_RELATIVE_DIFFERENCE < found.max_relative_difference <= found.allowed
    assert found.allowed <= HALF_RELATIVE_DIFFERENCE


def test_a_network_that_only_rounds_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(NncError, match=r"cannot be told, so nothing was written") as caught:
        compared(tmp_path, {"reordered": True}, **CHAOTIC)
    assert "standard deviation from 1 to 0.03" in str(caught.value)


def test_half_precision(tmp_path: Path) -> None:
    found = compared(tmp_path, {"reordered": True}, **HALF)
    assert found.allowed == HALF_RELATIVE_DIFFERENCE


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([CALM, LARGE_ONLY, ROUGH, HALF]),
    st.floats(0.05, 1),
    st.sampled_from([-1, 1]),
    st.booleans(),
)
def test_a_wrong_graph_is_refused(
    tmp_path_factory: pytest.TempPathFactory,
    told: dict[str, Any],
    wrong: float,
    sign: int,
    reordered: bool,
) -> None:
    folder = tmp_path_factory.mktemp("wrong")
    with pytest.raises(NncError, match=r"differ by .* so nothing was written"):
        compared(folder, {"wrong": sign * wrong, "reordered": reordered}, **told)


def test_what_was_compared_is_said(tmp_path: Path) -> None:
    with pytest.raises(NncError) as caught:
        compared(tmp_path, {"wrong": 0.5}, **CALM)
    said = str(caught.value)
    assert "at most 0.0001 is expected, where the model's own rounding moves them by" in said
    assert "(random input of standard deviation 1)" in said


def test_other_shapes_are_refused(tmp_path: Path) -> None:
    save_model(network(), tmp_path / "model.onnx")
    expected = outputs_of(str(tmp_path / "model.onnx"), IMAGES, tmp_path / "model.onnx")
    with pytest.raises(NncError, match="other shapes"):
        compare_outputs(
            tmp_path / "model.onnx", IMAGES, [expected[0][:1]], network().SerializeToString()
        )


def test_outputs_that_are_never_finite_are_refused(tmp_path: Path) -> None:
    model = network(depth=1)
    model.graph.node[-1].op_type = "Log"
    save_model(model, tmp_path / "model.onnx")
    with pytest.raises(InputError, match="NaN or infinite on random images"):
        compact_file(tmp_path / "model.onnx", tmp_path / "small.onnx")


def test_a_file_says_what_it_was_compared_on(tmp_path: Path) -> None:
    save_model(network(**CALM), tmp_path / "model.onnx")
    result = compact_file(tmp_path / "model.onnx", tmp_path / "small.onnx").to_json()
    assert result["input_scale"] == 1
    assert result["allowed_relative_difference"] == LARGEST_RELATIVE_DIFFERENCE


def test_other_texts_are_another_model(tmp_path: Path) -> None:
    def labelled(word: str) -> onnx.ModelProto:
        model = network()
        text = onnx.TensorProto.STRING
        model.graph.initializer.append(helper.make_tensor("word", text, [1], [word.encode()]))
        model.graph.node.append(helper.make_node("Identity", ["word"], ["label"]))
        model.graph.output.append(helper.make_tensor_value_info("label", text, [1]))
        return model

    path = tmp_path / "m.onnx"
    save_model(labelled("cat"), path)
    expected = outputs_of(str(path), IMAGES, path)
    assert compare_outputs(path, IMAGES, expected, labelled("cat").SerializeToString())
    with pytest.raises(NncError, match="puts out other texts"):
        compare_outputs(path, IMAGES, expected, labelled("dog").SerializeToString())
