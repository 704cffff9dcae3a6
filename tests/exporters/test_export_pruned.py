"""A pruned checkpoint exports to a smaller graph with the masked network's outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nnc import models
from nnc.exporters.onnx_export import export
from nnc.model_card import InputSpec, ModelCard
from nnc.models.macs import count_macs
from nnc.runtimes.artifact import read_artifact
from nnc.toolchain.pruning.masks import Masks
from nnc.toolchain.pruning.selection import Choice, score
from nnc.toolchain.pruning.structure import read_structure


@pytest.mark.parametrize("name", ["mobilenet", pytest.param("shufflenet", marks=pytest.mark.slow)])
def test_pruned_channels_leave_the_file(tmp_path: Path, name: str, pixels: np.ndarray) -> None:
    torch.manual_seed(0)
    network = models.build(name, 10, 1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.7, 1.3)
            torch.nn.init.normal_(module.bias, 0.0, 0.2)
    kept = score(network, Choice("paper"), read_structure(network)).keep(0.4)
    Masks(network, kept.masks(network)).apply()
    checkpoint = tmp_path / "pruned.safetensors"
    card = ModelCard(InputSpec(1, 28, 28, (0.5,), (0.5,)), tuple("0123456789"), name)
    models.save(checkpoint, network, card)
    exported = tmp_path / "compact.onnx"
    # Export itself compares the compact graph with the masked network on these images.
    export(checkpoint, exported, images=pixels[:16])
    small = read_artifact(exported)
    whole = sum(parameter.numel() for parameter in network.parameters())
    assert small.macs is not None
    assert small.parameters < 0.62 * whole
    assert small.macs < 0.62 * count_macs(network, 1, 28, 28)
    assert small.size_bytes < 0.62 * 4 * whole
