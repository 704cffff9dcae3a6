"""What a file weighs: bytes, zipped bytes, int8 MACs and the sentence on its zeros."""

from __future__ import annotations

import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest

from nnc.model_card import Stage
from nnc.runtimes.artifact import read_artifact
from nnc.runtimes.file_facts import size_facts
from nnc.runtimes.onnx_model.graph import LayerFacts

onnx = pytest.importorskip("onnx")


def written(model, path):
    path.write_bytes(model.SerializeToString())
    return read_artifact(path)


def sparse_model(net, kept: np.ndarray, card=None):
    """The tiny network with other filters: 100 of 3x3, where ``kept`` [100, 9] is not zero."""
    model = net.tiny_model(card=card or net.CARD)
    source = np.random.default_rng(0)
    values = {
        "conv.weight": kept.reshape(100, 1, 3, 3) * source.uniform(1, 2, (100, 1, 3, 3)),
        "conv.bias": source.uniform(1, 2, 100),
        "fc.weight": source.uniform(1, 2, (3, 100)),
        "fc.bias": source.uniform(1, 2, 3),
    }
    for tensor in model.graph.initializer:
        value = values[tensor.name].astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
    return model


SCATTERED = np.arange(900).reshape(100, 9) % 3 > 0
"""A third of each filter is zero."""

FILTERS = np.arange(100) % 4 > 0
"""A quarter of the filters are zero."""


def test_the_facts_of_a_float_file(tiny, net):
    path = tiny()
    artifact = read_artifact(path)
    found = size_facts(artifact).to_json()
    data = path.read_bytes()
    whole = len(zlib.compress(data, 6))
    assert found == {
        "bytes": len(data),
        "zipped_bytes": whole - 6,  # zlib's own header and checksum
        "parameters": net.PARAMETERS,
        "nonzero_parameters": net.PARAMETERS - 2,
        "macs": net.MACS,
        "int8_mac_share": 0.0,
        "zeros": "2 of 55 weights are zero and save nothing: they take 8 bytes of the file and all "
        "their MACs are computed",
    }


def test_external_data_is_part_of_the_file(net, tmp_path):
    model = net.tiny_model()
    folder = tmp_path / "model"
    folder.mkdir()
    for tensor in list(model.graph.initializer)[:2]:
        data = tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        offset = (folder / "w.bin").stat().st_size if (folder / "w.bin").exists() else 0
        with (folder / "w.bin").open("ab") as stream:
            stream.write(data)
        for key, value in {"location": "w.bin", "offset": offset, "length": len(data)}.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, str(value)
    artifact = written(model, folder / "external.onnx")
    alone = (folder / "external.onnx").stat().st_size
    assert size_facts(artifact).size_bytes == alone + 4 * (36 + 4)


def test_zipping_holds_no_file_in_memory(tiny, tmp_path):
    artifact = read_artifact(tiny())
    big = tmp_path / "big.safetensors"
    with big.open("wb") as stream:
        stream.truncate(48 << 20)
    tracemalloc.start()
    try:
        found = size_facts(
            replace(artifact, path=big, kind="checkpoint", size_bytes=big.stat().st_size)
        )
        assert tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()
    assert found.size_bytes == 48 << 20
    assert 0 < found.zipped_bytes < 100_000


@pytest.mark.parametrize("kind", ["QDQ", "QOperator"])
def test_a_whole_int8_file(tiny, tmp_path, kind):
    quantization = pytest.importorskip("onnxruntime.quantization")
    path = tmp_path / f"{kind}.onnx"
    feeds = iter([{"x": np.random.default_rng(0).normal(size=(8, 1, 8, 8)).astype(np.float32)}])

    class Reader(quantization.CalibrationDataReader):
        def get_next(self):
            return next(feeds, None)

    quantization.quantize_static(
        tiny(), path, Reader(), quant_format=quantization.QuantFormat[kind]
    )
    assert size_facts(read_artifact(path)).int8_mac_share == 1.0


def test_a_share_of_the_macs_is_that_of_the_int8_layers(tiny, net):
    artifact = read_artifact(tiny())
    conv, fc = artifact.layers
    mixed = replace(artifact, layers=(replace(conv, int8=True), fc))
    assert size_facts(mixed).int8_mac_share == pytest.approx(conv.macs / net.MACS)
    unknown = replace(artifact, layers=(replace(conv, int8=True), replace(fc, macs=None)))
    assert size_facts(unknown).int8_mac_share is None
    float_unknown = replace(artifact, layers=(conv, replace(fc, macs=None)))
    assert size_facts(float_unknown).int8_mac_share == 0.0


@pytest.mark.parametrize(
    ("precisions", "share"),
    [((), None), (("fp16", "fp32"), 0.0), (("int8", "int8"), 1.0), (("int8", "fp16"), None)],
    ids=str,
)
def test_an_engine_tells_where_its_layers_are_alike(tiny, precisions, share):
    layers = tuple(
        LayerFacts(str(index), "Conv", None, 0, None, precision, precision == "int8")
        for index, precision in enumerate(precisions)
    )
    engine = replace(read_artifact(tiny()), kind="engine", layers=layers, nonzero_parameters=44)
    found = size_facts(engine)
    assert found.int8_mac_share == share
    assert found.zeros == (
        "11 of 55 weights were zero in the ONNX file that it was built from and save nothing: all "
        "their MACs are computed"
    )
    assert size_facts(replace(engine, parameters=None, nonzero_parameters=None)).zeros is None


class TestZeros:
    def test_scattered_ones_save_nothing(self, net, tmp_path):
        artifact = written(sparse_model(net, SCATTERED), tmp_path / "a.onnx")
        assert size_facts(artifact).zeros == (
            "300 of 1,303 weights are zero and save nothing: they take 1.2 kB of the file and "
            "all their MACs are computed"
        )

    @pytest.mark.parametrize(
        ("every", "zeros", "share", "size"),
        [
            (2_240_000, 620_000, "0.62 M of 2.24 M", "2.48 MB"),
            (57_000_000, 51_300_000, "51.3 M of 57.0 M", "205.20 MB"),
            (999_999, 99_999, "99,999 of 999,999", "0.40 MB"),
        ],
        ids=str,
    )
    def test_millions_are_told_in_millions(self, tiny, every, zeros, share, size):
        artifact = replace(
            read_artifact(tiny()),
            layers=(LayerFacts("fc", "Gemm", None, every, None, "float32", zeros=zeros),),
            parameters=every,
            nonzero_parameters=every - zeros,
        )
        assert size_facts(artifact).zeros == (
            f"{share} weights are zero and save nothing: they take {size} of the file and all "
            "their MACs are computed"
        )

    def test_whole_filters_can_go(self, net, tmp_path):
        kept = np.repeat(FILTERS[:, None], 9, axis=1)
        artifact = written(sparse_model(net, kept), tmp_path / "a.onnx")
        assert size_facts(artifact).zeros == (
            "225 of 1,303 weights are zero and save nothing as they are: they take 900 bytes "
            "of the file and all their MACs are computed; 225 of them make up whole channels, "
            "which nnc compact takes out where nothing else needs them"
        )

    def test_part_of_them_in_whole_filters(self, net, tmp_path):
        artifact = written(sparse_model(net, SCATTERED & FILTERS[:, None]), tmp_path / "a.onnx")
        assert "450 of 1,303 weights are zero" in size_facts(artifact).zeros
        assert "; 225 of them make up whole channels, which nnc compact" in (
            size_facts(artifact).zeros
        )

    def test_what_compaction_left_is_not_promised_again(self, net, tmp_path):
        kept = np.repeat(FILTERS[:, None], 9, axis=1)
        for stage in (Stage("compact"), Stage("export", {"compact": True, "round_to": 8})):
            card = net.CARD.then(stage)
            artifact = written(sparse_model(net, kept, card), tmp_path / f"{stage.name}.onnx")
            assert size_facts(artifact).zeros.endswith(
                "which compaction left in for layers that need them or channel counts that run fast"
            )
        card = net.CARD.then(Stage("export", {"compact": False}))
        artifact = written(sparse_model(net, kept, card), tmp_path / "masked.onnx")
        assert "which nnc compact takes out" in size_facts(artifact).zeros

    def test_an_int8_file_is_made_anew_from_a_compact_one(self, net, tmp_path):
        kept = np.repeat(FILTERS[:, None], 9, axis=1)
        artifact = written(sparse_model(net, kept), tmp_path / "a.onnx")
        layers = tuple(replace(layer, int8=True, dtype="int8") for layer in artifact.layers)
        found = size_facts(replace(artifact, layers=layers)).zeros
        assert "they take 225 bytes" in found
        assert found.endswith(
            "which nnc compact takes out of the float file, before it is quantised"
        )

    def test_hardly_any_are_not_worth_a_sentence(self, net, tmp_path):
        kept = np.ones((100, 9))
        kept[0, :9] = 0
        artifact = written(sparse_model(net, kept), tmp_path / "a.onnx")
        assert artifact.parameters - artifact.nonzero_parameters == 9
        assert size_facts(artifact).zeros is None

    def test_what_rounding_to_int8_makes_zero_is_not_told(self, net, tmp_path):
        kept = np.ones((100, 9))
        kept[:6] = 0
        artifact = written(sparse_model(net, kept), tmp_path / "a.onnx")
        assert size_facts(artifact).zeros.startswith("54 of 1,303 weights are zero")
        layers = tuple(replace(layer, dtype="int8") for layer in artifact.layers)
        assert size_facts(replace(artifact, layers=layers)).zeros is None

    def test_a_checkpoint_is_exported(self, net, tmp_path):
        from safetensors.numpy import save_file

        kept = np.repeat(FILTERS[:, None], 9, axis=1).reshape(100, 1, 3, 3)
        arrays = {
            "conv.weight": kept.astype(np.float16),
            "bn.weight": FILTERS.astype(np.float16),
            "bn.running_mean": np.zeros(100, np.float16),
            "fc.weight": np.ones((3, 100), np.float16),
        }
        card = replace(net.CARD, architecture="mobilenet")
        path = tmp_path / "masked.safetensors"
        save_file(arrays, path, card.to_properties())
        found = size_facts(read_artifact(path))
        assert (found.parameters, found.nonzero_parameters) == (1300, 1050)
        assert found.int8_mac_share == 0.0
        assert found.zeros == (
            "250 of 1,300 weights are zero and save nothing as they are: they take 500 bytes "
            "of the file and all their MACs are computed; 225 of them make up whole channels, "
            "which nnc export takes out where nothing else needs them"
        )
