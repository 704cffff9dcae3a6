"""What `Traced` says of a network is what its export holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from nnc.exporters.onnx_export import export_module
from nnc.model_card import InputSpec, ModelCard
from nnc.runtimes.onnx_model.graph import read_graph
from nnc.toolchain.pruning.traced import Traced

from .conftest import Tiny

SPEC = InputSpec(1, 12, 12, (0.5,), (0.5,))


@pytest.fixture
def network() -> Tiny:
    torch.manual_seed(3)
    network = Tiny(10, 1).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.normal_(module.bias, 0, 0.3)
    return network


def zero(network: Tiny, traced: Traced, share: float) -> np.ndarray:
    """Zero the first groups of every block; which ones."""
    groups = traced.groups
    dead = np.zeros(groups.count + 1, bool)
    for block in range(groups.blocks.max() + 1):
        members = np.flatnonzero(groups.blocks == block)
        dead[members[: int(len(members) * share)]] = True
    state = network.state_dict()
    for axis in groups.axes:
        # Convolutions without bias are exported with one of zeros, which no network has.
        if axis.role in ("makes", "scales") and axis.parameter in state:
            gone = torch.from_numpy((axis.groups >= 0) & dead[axis.groups])
            state[axis.parameter].movedim(axis.axis, 0)[gone] = 0
    return dead[:-1]


def logits(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": images})[0]


def test_groups_name_the_parameters_of_the_network(network: Tiny) -> None:
    groups = Traced.of(network, SPEC).groups
    state = network.state_dict()
    known = [axis for axis in groups.axes if axis.parameter in state]
    assert {axis.parameter for axis in known} >= {name for name, _ in network.named_parameters()}
    for axis in known:
        assert state[axis.parameter].shape[axis.axis] == len(axis.groups)
    # Stem, branch and depthwise are one; the last convolution and the hidden layer their own.
    assert groups.count == 16 + 32 + 24
    assert np.bincount(groups.families).tolist() == [16, 32, 24]
    assert [layer.name for layer in groups.layers] == [
        *("first", "branch", "depthwise", "last", "hidden", "out")
    ]
    assert [layer.norm for layer in groups.layers][:3] == [
        *("first_norm", "branch_norm", "depthwise_norm")
    ]
    assert [layer.depthwise for layer in groups.layers].count(True) == 1
    assert groups.unprunable == ()


@pytest.mark.parametrize("round_to", [1, 8])
def test_size_is_that_of_the_exported_file(network: Tiny, round_to: int, tmp_path: Path) -> None:
    traced = Traced.of(network, SPEC)
    zero(network, traced, 0.4)
    size = traced.size(network, round_to=round_to)
    card = ModelCard(SPEC, tuple("0123456789"))
    images = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 1), np.uint8)
    path = tmp_path / "net.onnx"
    export_module(network, card, path, images=images, round_to=round_to)
    facts = read_graph(onnx.load(path))
    assert (size.parameters, size.nonzero_parameters, size.macs) == (
        facts.parameters,
        facts.nonzero_parameters,
        facts.macs,
    )


def test_the_compact_graph_has_the_weights_of_now(network: Tiny) -> None:
    traced = Traced.of(network, SPEC)
    images = np.random.default_rng(0).normal(size=(3, 1, 12, 12)).astype(np.float32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for share in (0.0, 0.3, 0.6):
        zero(network, traced, share)
        found = logits(traced.compacted(network, round_to=1), images)
        with torch.inference_mode():
            expected = network(torch.from_numpy(images)).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    network.load_state_dict(before)
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(
        logits(traced.compacted(network), images), expected, atol=1e-4 * np.abs(expected).max()
    )


def test_sizes_fall_with_the_channels(network: Tiny) -> None:
    traced = Traced.of(network, SPEC)
    sizes = []
    for share in (0.0, 0.25, 0.5):
        dead = zero(network, traced, share)
        assert abs(dead.mean() - share) < 0.01
        sizes.append(traced.size(network, round_to=1))
    assert sizes[0].parameters > sizes[1].parameters > sizes[2].parameters
    assert sizes[0].macs > sizes[1].macs > sizes[2].macs
    assert sizes[0].nonzero_parameters == sizes[0].parameters
