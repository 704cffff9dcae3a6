"""Networks without Dropout and BatchNorm: really absent, and known again from their card."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from nnc import models
from nnc.model_card import InputSpec, ModelCard
from nnc.models import ARCHITECTURES

CLASSES = tuple("0123456789")


def _layers(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(module.weight.shape)
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    }


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_absent_and_the_rest_as_it_was(name: str) -> None:
    whole, plain = models.build(name, 10, 1), models.build(name, 10, 1, regularisation=False)
    absent = (nn.Dropout, nn.modules.batchnorm._BatchNorm)
    assert any(isinstance(module, absent) for module in whole.modules())
    assert not any(isinstance(module, absent) for module in plain.modules())
    assert not list(plain.buffers())
    assert _layers(whole) == _layers(plain)
    for module in plain.modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias is not None
    size = ARCHITECTURES[name].smallest_size
    assert plain(torch.zeros(2, 1, size, size)).shape == (2, 10)


def test_a_checkpoint_is_rebuilt_from_its_card(tmp_path: Path) -> None:
    network = models.build("shufflenet", 10, 1, regularisation=False)
    card = ModelCard(
        InputSpec(1, 28, 28, (0.5,), (0.5,)), CLASSES, "shufflenet", regularisation=False
    )
    path = tmp_path / "plain.safetensors"
    models.save(path, network, card)
    loaded, read = models.load(path)
    assert read == card
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_cards_of_regularised_networks_are_as_ever() -> None:
    card = ModelCard(InputSpec(1, 28, 28, (0.5,), (0.5,)), CLASSES, "shufflenet")
    properties = card.to_properties()
    assert "nnc.regularisation" not in properties
    read = ModelCard.from_properties(properties, "a file")
    assert read is not None
    assert read.regularisation
