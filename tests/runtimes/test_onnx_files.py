"""ONNX files: what is refused, in one line, and what external data may do."""

from __future__ import annotations

import pickle
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from nnc.errors import InputError, NncError
from nnc.runtimes.onnx_files import (
    load_model,
    may_have_external_data,
    read_properties,
    save_model,
    write_properties,
)
from nnc.runtimes.registry import open_runtime

onnx = pytest.importorskip("onnx")


def external(net, folder: Path, location: str, **entries: int) -> Path:
    """The tiny network with ``conv.weight`` kept at ``location``."""
    model = net.tiny_model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    path = folder / "model" / "external.onnx"
    path.parent.mkdir()
    path.write_bytes(model.SerializeToString())
    return path


def test_a_whole_model_loads(tiny):
    assert len(load_model(tiny()).graph.node) == 5


@pytest.mark.parametrize("size", [1, 7, 64, 4096, 100_000])
@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_are_refused(tmp_path, size, seed):
    path = tmp_path / "random.onnx"
    path.write_bytes(np.random.default_rng(seed).bytes(size))
    with pytest.raises(InputError, match=r"random\.onnx is not") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def test_every_truncation_is_refused_or_only_lost_metadata(tiny, tmp_path):
    whole = tiny().read_bytes()
    path = tmp_path / "cut.onnx"
    for size in range(1, len(whole), 3):
        path.write_bytes(whole[:size])
        try:
            model = load_model(path)
        except InputError:
            continue
        # Protobuf ends anywhere between fields; what is left must be the whole graph.
        assert len(model.graph.node) == 5
        assert len(model.graph.initializer) == 4
        assert model.graph.output


def test_flipped_bytes_never_cause_a_traceback(tiny, tmp_path):
    whole = tiny().read_bytes()
    source = np.random.default_rng(0)
    path = tmp_path / "flipped.onnx"
    for _ in range(200):
        data = bytearray(whole)
        for place in source.integers(0, len(data), 3):
            data[place] = int(source.integers(0, 256))
        path.write_bytes(bytes(data))
        with suppress(InputError):
            load_model(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (pickle.dumps({"a": 1}), "is not"),
        (b"PK\x03\x04" + bytes(100), "is not"),
        (b'{"json": true}', "is not"),
    ],
    ids=["empty", "pickle", "zip", "json"],
)
def test_other_kinds_are_refused(tmp_path, content, message):
    path = tmp_path / "other.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_model(path)


def test_missing_and_directory_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_model(tmp_path / "none.onnx")
    with pytest.raises(InputError, match="is a directory"):
        load_model(tmp_path)


def test_a_value_that_nothing_makes_is_refused(tiny, net, tmp_path):
    model = net.tiny_model()
    del model.graph.initializer[2]
    path = tmp_path / "hole.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=r"reads 'fc\.weight', which nothing makes"):
        load_model(path)


def test_a_tensor_with_missing_bytes_is_refused(net, tmp_path):
    model = net.tiny_model()
    model.graph.initializer[0].raw_data = b"1234"
    path = tmp_path / "short.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="holds 4 bytes where its shape"):
        load_model(path)


def test_external_data_beside_the_model_is_read(net, tmp_path):
    path = external(net, tmp_path, "weights.bin", offset=16, length=144)
    weights = net.tensors()["conv.weight"]
    (path.parent / "weights.bin").write_bytes(bytes(16) + weights.tobytes())
    assert may_have_external_data(path)
    tensor = load_model(path).graph.initializer[0]
    assert np.array_equal(onnx.numpy_helper.to_array(tensor), weights)


@pytest.mark.parametrize(
    "location",
    [
        "../secret.bin",
        "/etc/passwd",
        "C:\\secret.bin",
        "..\\secret.bin",
        "link.bin",
        "sub/../../x",
        "",
    ],
)
def test_external_data_outside_the_folder_is_refused(net, tmp_path, location):
    (tmp_path / "secret.bin").write_bytes(bytes(4096))
    path = external(net, tmp_path, location)
    (path.parent / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(InputError, match="outside the model's folder"):
        load_model(path)
    pytest.importorskip("onnxruntime")
    with pytest.raises(InputError, match="outside the model's folder"), open_runtime(path):
        pass


@pytest.mark.parametrize(
    ("entries", "content", "message"),
    [
        ({}, None, "does not exist"),
        ({}, bytes(10), "too short"),
        ({"offset": 4}, bytes(144), "too short"),
        ({"offset": -4}, bytes(144), "states 144 bytes from -4"),
        ({"length": 10}, bytes(144), "its shape takes 144"),
    ],
    ids=["missing", "short", "offset", "negative", "length"],
)
def test_damaged_external_data_is_refused(net, tmp_path, entries, content, message):
    path = external(net, tmp_path, "weights.bin", **entries)
    if content is not None:
        (path.parent / "weights.bin").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_model(path)


def test_save_and_properties_round_trip(tiny, tmp_path):
    model = load_model(tiny())
    write_properties(model, {"nnc.labels": '["a", "b"]', "own": "ä"})
    save_model(model, tmp_path / "saved.onnx")
    properties = read_properties(load_model(tmp_path / "saved.onnx"))
    assert properties["own"] == "ä"
    assert properties["nnc.labels"] == '["a", "b"]'
    assert "nnc.input" in properties
    with pytest.raises(NncError, match="exists"):
        save_model(model, tmp_path / "saved.onnx")
