"""What a file says of itself, with and without nnc's metadata."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from nnc.errors import InputError
from nnc.model_card import InputSpec, ModelCard
from nnc.runtimes.accuracy.accuracy import TestPart, check_batch
from nnc.runtimes.artifact import CardOverrides, read_artifact
from nnc.whole_files import sha256_of

onnx = pytest.importorskip("onnx")


def test_onnx_with_metadata(tiny, net):
    path = tiny()
    artifact = read_artifact(path)
    assert artifact.card == net.CARD
    assert artifact.own_metadata
    assert (artifact.kind, artifact.runtime) == ("onnx", "onnxruntime")
    assert (artifact.parameters, artifact.macs) == (net.PARAMETERS, net.MACS)
    assert artifact.size_bytes == path.stat().st_size
    assert artifact.sha256 == sha256_of(path)
    assert artifact.input_shape == (None, 1, 8, 8)


def test_overrides_replace_metadata_and_say_so(tiny, net, caplog):
    with caplog.at_level(logging.WARNING):
        artifact = read_artifact(tiny(), CardOverrides(mean=(0.25,), std=net.SPEC.std))
    assert artifact.card.input.mean == (0.25,)
    assert "mean" in caplog.text
    assert "std" not in caplog.text


def test_an_override_that_fails_says_nothing_of_replacing(tiny, caplog):
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(InputError, match="2 labels given; it has 3 classes"),
    ):
        read_artifact(tiny(), CardOverrides(mean=(0.25,), labels=("a", "b")))
    assert caplog.text == ""


def test_a_graph_that_cannot_be_read_is_one_line(net, tmp_path):
    make = onnx.helper.make_node
    nodes = [
        make("Flatten", ["x"], ["a"]),
        make("DequantizeLinear", ["w", "scale", "zero"], ["wf"], axis=0),
        make("MatMul", ["a", "wf"], ["y"]),
    ]
    constants = {
        "w": np.ones((64, 3), np.uint8),
        "scale": np.ones(5, np.float32),
        "zero": np.ones(5, np.uint8),
    }
    path = tmp_path / "odd.onnx"
    path.write_bytes(net.wrap(nodes, constants).SerializeToString())
    with pytest.raises(
        InputError, match=r"odd\.onnx is not a usable ONNX model: .*Error"
    ) as caught:
        read_artifact(path)
    assert "\n" not in str(caught.value)


def test_foreign_onnx_takes_overrides_then_graph_then_defaults(tiny):
    path = tiny(card=None)
    plain = read_artifact(path)
    assert plain.card == ModelCard(InputSpec(1, 8, 8, (0.0,), (1.0,)), ("0", "1", "2"))
    assert not plain.own_metadata
    defaults = CardOverrides(mean=(0.5,), std=(0.2,), image_size=28, labels=("a", "b", "c"))
    served = read_artifact(path, CardOverrides(mean=(0.1,)), defaults=defaults)
    assert served.card == ModelCard(InputSpec(1, 8, 8, (0.1,), (0.2,)), ("a", "b", "c"))
    of_others = CardOverrides(mean=(0.5,) * 3, std=(0.2,) * 3, labels=tuple("0123456789"))
    assert read_artifact(path, defaults=of_others).card == plain.card


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (CardOverrides(image_size=28), r"its graph takes \[1, 8, 8\]"),
        (CardOverrides(labels=("a", "b")), "2 labels for 3 classes"),
        (CardOverrides(mean=(0.5, 0.5)), "expected 1 finite number"),
        (CardOverrides(std=(0.0,)), "expected numbers above 0"),
    ],
    ids=["size", "labels", "mean", "std"],
)
def test_overrides_that_do_not_fit_are_refused(tiny, overrides, message):
    with pytest.raises(InputError, match=message):
        read_artifact(tiny(card=None), overrides)


def ending(net, path, kind, **attributes):
    """A foreign file: the tiny network's convolution to [N, 4, 8, 8], then one node."""
    make = onnx.helper.make_node
    conv = make("Conv", ["x", "conv.weight", "conv.bias"], ["a"], pads=[1, 1, 1, 1])
    constants = {name: net.tensors()[name] for name in ("conv.weight", "conv.bias")}
    model = net.wrap([conv, make(kind, ["a"], ["y"], **attributes)], constants, card=None)
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info("y", 1, None))
    path.write_bytes(model.SerializeToString())
    return path


def test_only_scores_get_names(net, tmp_path):
    data = CardOverrides(labels=tuple("0123456789"))
    path = ending(net, tmp_path / "map.onnx", "Relu")
    assert read_artifact(path).card.labels == ()
    assert read_artifact(path, defaults=data).card.labels == ()
    with pytest.raises(
        InputError, match=r"10 labels for an output \[N, 4, 8, 8\]; expected \[N, c"
    ):
        read_artifact(path, data)
    with pytest.raises(InputError, match="its output is no scores of classes"):
        check_batch(
            np.zeros((2, 8, 8, 1), np.uint8),
            np.zeros(2, np.int64),
            read_artifact(path).card,
            TestPart(lambda _spec: iter(()), 2, "some", 10),
            path,
        )
    ending(net, path, "GlobalAveragePool")
    assert read_artifact(path, defaults=data).card.labels == tuple("0123")


@pytest.mark.parametrize("given", [None, ("no", "yes")])
@pytest.mark.parametrize("kept", [0, 1])
def test_a_single_score_is_refused_at_once(net, tmp_path, kept, given):
    path = tmp_path / "binary.onnx"
    ending(net, path, "ReduceMean", axes=[1, 2, 3], keepdims=kept)
    for labels in (CardOverrides(labels=given), CardOverrides()):
        with pytest.raises(
            InputError,
            match=r"its output is \[N.*\]; expected \[N, classes\], .* at least 2 classes",
        ):
            read_artifact(path, labels, defaults=CardOverrides(labels=given))


def test_networks_of_anything_but_one_image_batch_are_refused(net, tmp_path):
    model = net.tiny_model()
    path = tmp_path / "other.onnx"
    model.graph.input.append(onnx.helper.make_tensor_value_info("mask", 1, [1]))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=r"takes 2 inputs \('x', 'mask'\)"):
        read_artifact(path)
    del model.graph.input[1]
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=r"is int64 \[\?, 1, 8, 8\]; expected images"):
        read_artifact(path)


def test_channels_last_are_named(tmp_path):
    node = onnx.helper.make_node("Transpose", ["x"], ["y"], perm=[0, 3, 1, 2])
    value = onnx.helper.make_tensor_value_info
    shape = ["n", 28, 28, 1]
    graph = onnx.helper.make_graph(
        [node],
        "g",
        [value("x", onnx.TensorProto.FLOAT, shape)],
        [value("y", onnx.TensorProto.FLOAT, ["n", 1, 28, 28])],
    )
    onnx.save(onnx.helper.make_model(graph), tmp_path / "last.onnx")
    with pytest.raises(InputError, match=r"'x' \[\?, 28, 28, 1\] has its channels last"):
        read_artifact(tmp_path / "last.onnx")


def test_unknown_suffix_is_refused(tmp_path):
    path = tmp_path / "net.pt"
    path.write_bytes(b"x")
    with pytest.raises(InputError, match=r"ends in \.onnx, \.safetensors or \.engine"):
        read_artifact(path)


def test_checkpoint_counts_parameters_without_buffers(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "net.safetensors"
    card = ModelCard(InputSpec(1, 8, 8, (0.5,), (0.5,)), ("a", "b"), "mobilenet", macs=77)
    weight = np.ones((2, 1, 3, 3), np.float16)
    weight[0] = 0
    save_file(
        {
            "conv.weight": weight,
            "bn.weight": np.ones(2, np.float32),
            "bn.bias": np.zeros(2, np.float32),
            "bn.running_mean": np.ones(2, np.float32),
            "bn.running_var": np.ones(2, np.float32),
            "bn.num_batches_tracked": np.array(3),
            "fc.bias": np.ones(2, np.float32),
            "fc.weight": np.full((2, 2), np.nan, np.float32),
        },
        path,
        metadata=card.to_properties(),
    )
    artifact = read_artifact(path)
    assert artifact.card == card
    assert artifact.parameters == 18 + 4 + 6
    assert artifact.nonzero_parameters == 9 + 2 + 6
    assert artifact.macs == 77
    assert {(layer.name, layer.op, layer.parameters) for layer in artifact.layers} == {
        ("conv", "Conv", 18),
        ("bn", "BatchNorm", 4),
        ("fc", "Linear", 6),
    }


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"\x00" * 9, b"\x80\x02}q\x00.", bytes(range(256)) * 9])
def test_corrupt_files_get_one_line(tmp_path, suffix, content):
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="bad") as caught:
        read_artifact(path)
    assert "\n" not in str(caught.value)
