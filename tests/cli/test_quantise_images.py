"""Which images a model is calibrated on at the command line, whatever batch and output it has."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import onnx
import pytest

from .conftest import SIZE, UNGUARDED, tiny_model

KNOWN = ("--mean", 0.5, "--std", 0.5)


def written(path, *, batch=None, last=None):
    """The tiny network with a fixed batch, or cut off after the tensor ``last``."""
    model = tiny_model()
    sizes = [value.type.tensor_type.shape.dim[0] for value in model.graph.input]
    sizes += [value.type.tensor_type.shape.dim[0] for value in model.graph.output]
    if batch is not None:
        for size in sizes:
            size.dim_value = batch
    if last is not None:
        nodes = [node.output[0] for node in model.graph.node]
        del model.graph.node[nodes.index(last) + 1 :]
        del model.graph.output[:]
        model.graph.output.append(onnx.helper.make_tensor_value_info(last, 1, None))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(("batch", "count"), [(1, 80), (17, 68), (24, 72), (64, 64)])
def test_a_fixed_batch_and_what_the_record_says(
    nnc, tmp_path, small_npz, small_data, batch, count
) -> None:
    model = written(tmp_path / "fixed.onnx", batch=batch)
    result = nnc("quantise", model, *UNGUARDED, "--data", small_npz, "--json")
    assert result.code == 0, result.err
    value = json.loads(result.out)
    record = value["images"]
    assert value["samples"] == record["images"] == len(record["indices"]) == count
    pixels = small_data.training.take(record["indices"], SIZE, SIZE)
    assert record["sha256"] == hashlib.sha256(pixels.tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "takes 100 images at a time, and 80 are there to calibrate on; expected at least 100"),
        (("--samples", 50), "and 50 are there to calibrate on; .* raise --samples"),
    ],
)
def test_too_few_images_for_one_batch(nnc, tmp_path, small_npz, options, message) -> None:
    model = written(tmp_path / "fixed.onnx", batch=100)
    result = nnc("quantise", model, *UNGUARDED, *options, "--data", small_npz, *KNOWN)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert re.search(message, result.err)
    assert list(tmp_path.iterdir()) == [model]


def test_a_feature_map_is_inspected_and_timed_without_labels(nnc, tmp_path, small_npz) -> None:
    model = written(tmp_path / "map.onnx", last="r2")
    assert "labels         none" in nnc("inspect", model).out
    timed = ("bench", model, "--no-roofline", "--seconds", 0.1, "--rounds", 6)
    assert nnc(*timed, "--no-accuracy").code == 0
    refused = nnc(*timed, "--data", small_npz, *KNOWN)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "its output is no scores of classes" in refused.err


def test_labels_of_eight_bits_serve(nnc, tmp_path, tiny_onnx) -> None:
    random = np.random.default_rng(0)
    data, labels = tmp_path / "bytes.npz", (np.arange(60) % 10).astype(np.uint8)
    pixels = random.integers(0, 256, (80, SIZE, SIZE), dtype=np.uint8)
    np.savez(data, x_train=pixels[:60], y_train=labels, x_test=pixels[60:], y_test=labels[:20])
    output = tmp_path / "out.onnx"
    result = nnc("quantise", tiny_onnx, *UNGUARDED, "--data", data, "-o", output)
    assert (result.code, output.exists()) == (0, True), result.err


def test_a_normalisation_that_nobody_states_is_warned_of(nnc, tmp_path, small_npz) -> None:
    model = written(tmp_path / "foreign.onnx")
    guessed = nnc("quantise", model, *UNGUARDED, "--data", small_npz)
    assert guessed.code == 0
    assert "does not say how its images are normalised; assuming mean" in guessed.err
    stated = nnc("quantise", model, *UNGUARDED, "--data", small_npz, *KNOWN, "--force")
    assert (stated.code, stated.err) == (0, "")


def test_a_mean_of_whole_pixel_values_is_refused(nnc, tmp_path, small_npz) -> None:
    model = written(tmp_path / "foreign.onnx")
    result = nnc("quantise", model, "--data", small_npz, "--mean", 73, "--std", 90)
    assert result.code == 2
    assert "--mean 73 looks as if pixels were 0 to 255" in result.err


def test_a_percentile_that_nothing_takes_is_refused(nnc, tmp_path, small_npz) -> None:
    model = written(tmp_path / "foreign.onnx")
    line = ("quantise", model, "--data", small_npz, *KNOWN, "--percentile", 99)
    for options in (("--search-seconds", 0), ("--calibration", "mse"), ("--weights-only",)):
        result = nnc(*line, *options)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert "--percentile is for --calibration percentile" in result.err


def test_weights_only_without_weights_is_refused(nnc, tmp_path, small_npz) -> None:
    nodes = [
        onnx.helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        onnx.helper.make_node("Tile", ["p", "ten"], ["t"]),
        onnx.helper.make_node("Flatten", ["t"], ["y"]),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "bare",
        [value("x", onnx.TensorProto.FLOAT, ["n", 1, SIZE, SIZE])],
        [value("y", onnx.TensorProto.FLOAT, ["n", 10])],
        [onnx.numpy_helper.from_array(np.array([1, 10, 1, 1]), "ten")],
    )
    opset = onnx.helper.make_opsetid("", 18)
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), tmp_path / "bare.onnx"
    )
    result = nnc(
        *("quantise", tmp_path / "bare.onnx", "--weights-only", "--data", small_npz, *KNOWN)
    )
    assert result.code == 2
    assert "no layer of it has weights that int8 would make smaller" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["bare.onnx"]
