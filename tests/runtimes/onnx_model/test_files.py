"""ONNX files: what is refused, in one line, and what external data may do."""

from __future__ import annotations

import pickle
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from nnc.errors import InputError, NncError
from nnc.runtimes.artifact import read_artifact
from nnc.runtimes.onnx_model.files import (
    load_model,
    may_have_external_data,
    read_properties,
    save_model,
    stored_bytes,
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


def broken(net, tmp_path: Path, change) -> Path:
    """The tiny network after ``change(model)``."""
    model = net.tiny_model()
    change(model)
    path = tmp_path / "broken.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def retype(model, **fields) -> None:
    """Give the tensor ``fc.weight`` (float32 [3, 4]) other fields, without its bytes."""
    tensor = model.graph.initializer[2]
    tensor.ClearField("raw_data")
    for name, value in fields.items():
        if isinstance(value, list):
            tensor.ClearField(name)
            getattr(tensor, name).extend(value)
        else:
            setattr(tensor, name, value)


def insert(model, *arguments, **settings) -> None:
    model.graph.node.insert(0, onnx.helper.make_node(*arguments, **settings))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda model: retype(model, float_data=[1.0] * 5),
            r"'fc\.weight' holds 5 values where its shape \[3, 4\] takes 12",
        ),
        (lambda model: retype(model, dims=[10**6, 10**7]), "holds 0 values where its shape"),
        (lambda model: retype(model, dims=[2**62, 2**62]), "holds 0 values where its shape"),
        (lambda model: retype(model, data_type=999, raw_data=b"abc"), "is of data type 999"),
        (lambda model: retype(model, data_type=0), "is of data type 0"),
        (
            lambda model: retype(model, data_type=8, string_data=[b"x"] * 11),
            "holds 11 values where",
        ),
        (lambda model: retype(model, data_type=22, int32_data=[0] * 12), "takes 6"),
        (lambda model: insert(model, "Conv", ["x", "conv.weight"], []), "makes nothing"),
        (
            lambda model: insert(model, "Identity", ["x"], ["x"], name="loop"),
            r"node 'loop' \(Identity\) makes 'x', which is there already",
        ),
        (lambda model: insert(model, "Relu", ["x"], ["b"]), "makes 'b', which is there already"),
        (lambda model: insert(model, "Relu", ["x"], ["fc.bias"]), "'fc.bias', which is there"),
    ],
    ids=[
        *("float_data", "huge", "overflow", "type", "untyped", "strings", "int4"),
        *("no output", "loop", "twice", "initialiser"),
    ],
)
def test_graphs_and_tensors_that_lie_are_refused(net, tmp_path, change, message):
    with pytest.raises(InputError, match=message) as caught:
        load_model(broken(net, tmp_path, change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "INT8", "UINT8", "BOOL", "INT64", "UINT32"),
        *("UINT64", "INT4", "UINT4", "COMPLEX64", "COMPLEX128", "FLOAT8E4M3FN", "STRING"),
    ],
)
@pytest.mark.parametrize("count", [0, 1, 5])
def test_tensors_of_every_type_are_accepted_as_onnx_writes_them(net, tmp_path, name, count):
    kind = onnx.TensorProto.DataType.Value(name)
    values = ["x" if name == "STRING" else 1] * count
    typed = onnx.helper.make_tensor("typed", kind, [count], values)

    def change(model):
        model.graph.initializer.append(typed)
        if name != "STRING":
            array = onnx.numpy_helper.to_array(typed)
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, "raw"))

    assert load_model(broken(net, tmp_path, change)).graph.initializer[4].name == "typed"


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


def test_external_data_counts_as_what_the_file_takes(tiny, tmp_path):
    alone = tiny()
    assert stored_bytes(alone) == alone.stat().st_size
    path = tmp_path / "outside.onnx"
    onnx.save(
        onnx.load(alone), path, save_as_external_data=True, location="weights", size_threshold=0
    )
    both = path.stat().st_size + (tmp_path / "weights").stat().st_size
    assert stored_bytes(path) == both
    assert read_artifact(path).size_bytes == both
