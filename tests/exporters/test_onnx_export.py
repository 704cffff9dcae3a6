from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import nnc
from nnc.errors import InputError, NncError
from nnc.exporters import onnx_export
from nnc.exporters.onnx_export import export, export_module
from nnc.model_card import ModelCard
from nnc.models import load
from nnc.runtimes.onnx_model.files import read_properties
from nnc.runtimes.preprocess import normalise
from nnc.whole_files import sha256_of

from .conftest import run_onnx

NETWORKS = ("mobilenet", "shufflenet")


class Tiny(torch.nn.Module):
    """A convolution with batch-norm, a spatial mean and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Conv2d(1, 8, 3, stride=2, bias=False)
        self.norm = torch.nn.BatchNorm2d(8)
        self.classifier = torch.nn.Linear(8, 10)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.relu(self.norm(self.stem(x))).mean([2, 3]))


@pytest.fixture(scope="module")
def tiny() -> Tiny:
    torch.manual_seed(0)
    return Tiny().eval()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("count", [1, 7])
def test_outputs_are_pytorchs_for_any_batch_size(exported, pixels, name, count):
    made = exported(name)
    network, card = load(made.checkpoint)
    batch = normalise(pixels[100 : 100 + count], card.input)
    with torch.inference_mode():
        expected = network(torch.from_numpy(batch)).numpy()
    found = run_onnx(made.onnx, batch)
    assert found.shape == (count, 10)
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    assert made.result.max_relative_difference <= 1e-4


@pytest.mark.parametrize("name", NETWORKS)
def test_no_path_source_line_or_stack_trace_in_the_file(exported, name):
    model = onnx.load(exported(name).onnx)
    for tensor in model.graph.initializer:  # random bytes may spell anything
        tensor.ClearField("raw_data")
    data = model.SerializeToString()
    checkout = str(Path(nnc.__file__).parent).encode()
    for trace in (checkout, b"site-packages", b".py", b'File "', b"pkg.torch", b"stack_trace"):
        assert trace not in data


@pytest.mark.parametrize("name", NETWORKS)
def test_the_graph_is_pooled_named_and_valid(exported, name):
    made = exported(name)
    model = onnx.load(made.onnx)
    onnx.checker.check_model(model, full_check=True)
    kinds = [node.op_type for node in model.graph.node]
    assert "ReduceMean" not in kinds
    assert "BatchNormalization" not in kinds
    assert kinds[-2:] == ["Flatten", "Gemm"]
    assert [i.name for i in model.graph.input] == ["input"]
    assert [o.name for o in model.graph.output] == ["logits"]
    assert model.producer_name == "nnc"
    assert model.producer_version == nnc.__version__
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    read = {name for node in model.graph.node for name in node.input}
    assert {tensor.name for tensor in model.graph.initializer} <= read
    assert not {"Reshape", "Transpose"} & set(kinds)
    parameters = {key for key, _ in load(made.checkpoint)[0].named_parameters()}
    weights = {t.name for t in model.graph.initializer if t.name.endswith(".weight")}
    assert weights
    assert weights <= parameters


def test_the_card_is_in_the_file_with_its_history(exported):
    made = exported("mobilenet")
    properties = read_properties(onnx.load(made.onnx))
    card = ModelCard.from_properties(properties, "file")
    assert card is not None
    assert (card.input, card.labels, card.architecture) == (
        made.card.input,
        made.card.labels,
        "mobilenet",
    )
    assert [stage.name for stage in card.history] == ["train", "export"]
    assert card.history[-1].settings["opset"] == made.result.opset
    assert card.parent_sha256 == sha256_of(made.checkpoint)
    assert list(properties) == sorted(properties)


def test_exporting_twice_gives_the_same_bytes(tiny, card, pixels, tmp_path):
    for name in ("a.onnx", "b.onnx"):
        export_module(tiny, card, tmp_path / name, images=pixels[:8])
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_nothing_is_printed_and_logging_is_left_as_it_was(tiny, card, pixels, tmp_path, capfd):
    before = logging.getLogger("torch.onnx").level
    export_module(tiny, card, tmp_path / "tiny.onnx", images=pixels[:2])
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("torch.onnx").level == before


def test_a_graph_that_differs_is_not_written(tiny, card, pixels, tmp_path, monkeypatch):
    true_traced = onnx_export.shipped_graph

    def wrong(network, spec):
        model = true_traced(network, spec)
        bias = next(t for t in model.graph.initializer if t.name == "classifier.bias")
        values = onnx.numpy_helper.to_array(bias) + 0.1
        bias.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), bias.name))
        return model

    monkeypatch.setattr(onnx_export, "shipped_graph", wrong)
    with pytest.raises(NncError, match=r"differs from PyTorch by .* relative"):
        export_module(tiny, card, tmp_path / "tiny.onnx", images=pixels[:4])
    assert list(tmp_path.iterdir()) == []


def test_result_is_json(exported):
    import json

    json.dumps(exported("mobilenet").result.to_json())


def test_bad_input(exported, card, pixels, tiny, tmp_path):
    made = exported("mobilenet")
    with pytest.raises(InputError, match="does not exist"):
        export(tmp_path / "none.safetensors", tmp_path / "x.onnx", images=pixels)
    with pytest.raises(InputError, match="exists"):
        export(made.checkpoint, made.onnx, images=pixels)
    with pytest.raises(InputError, match="expected at least one"):
        export_module(tiny, card, tmp_path / "x.onnx", images=pixels[:0])
    with pytest.raises(InputError, match="expected uint8"):
        export_module(tiny, card, tmp_path / "x.onnx", images=pixels[:2, :14])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_alexnet_exports(tmp_path):
    from nnc.model_card import InputSpec, ModelCard
    from nnc.models import build

    spec = InputSpec(1, 224, 224, (0.286,), (0.353,))
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 1), np.uint8)
    network = build("alexnet", 10, 1).eval()
    labels = tuple("0123456789")
    result = export_module(network, ModelCard(spec, labels), tmp_path / "a.onnx", images=images)
    assert result.parameters == sum(p.numel() for p in network.parameters())
