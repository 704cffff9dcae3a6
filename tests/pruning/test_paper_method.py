"""The paper's method on cases small enough to work out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nnc.errors import InputError
from nnc.toolchain.pruning.masks import Masks
from nnc.toolchain.pruning.recovery import reinitialise
from nnc.toolchain.pruning.selection import Choice, Kept, score
from nnc.toolchain.pruning.structure import read_structure


class Small(nn.Module):
    """conv - batch-norm - relu - pool - two fully-connected layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU()
        self.fc1 = nn.Linear(4, 3)
        self.act2 = nn.ReLU()
        self.fc2 = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.norm(self.conv(x))).mean((2, 3))
        return self.fc2(self.act2(self.fc1(x)))


@pytest.fixture
def network() -> Small:
    torch.manual_seed(0)
    network = Small()
    nn.init.uniform_(network.norm.bias, 0.5, 1)
    return network.eval()


def keep(network: nn.Module, fraction: float) -> Kept:
    return score(network, Choice("paper"), read_structure(network)).keep(fraction)


def test_structure(network: Small) -> None:
    structure = read_structure(network)
    assert structure.convolutions == ("conv",)
    assert structure.linears == ("fc1", "fc2")
    assert structure.norms == {"conv": "norm"}
    assert structure.chains == (("fc1", "fc2"),)


def test_untraceable_network_is_refused() -> None:
    class Branching(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(InputError, match="cannot trace"):
        read_structure(Branching())


@pytest.mark.parametrize(
    ("fraction", "filters", "weights"), [(0, 4, 12), (0.25, 3, 9), (0.5, 2, 6), (0.99, 1, 1)]
)
def test_same_fraction_of_every_layer(
    network: Small, fraction: float, filters: int, weights: int
) -> None:
    counts = keep(network, fraction).counts
    assert counts["conv"] == filters
    assert counts["fc1"] == weights


def test_the_smallest_go(network: Small) -> None:
    with torch.no_grad():
        for index, scale in enumerate((2.0, 0.1, 3.0, 0.2)):
            network.conv.weight[index] = scale
        network.fc1.weight.copy_(torch.arange(12.0).view(3, 4) + 1)
        network.fc2.weight.copy_(torch.tensor([[1.0, -5, 2], [-3, 4, 0.5]]))
    masks = keep(network, 0.5).masks(network)
    assert masks["conv.weight"].flatten().tolist() == [True, False, True, False]
    # The first neuron loses all its inputs, and so what reads it; the last one feeds nothing.
    assert masks["fc1.weight"].tolist() == [[False] * 4, [False] * 2 + [True] * 2, [False] * 4]
    assert masks["fc2.weight"].tolist() == [[False, True, False], [False, True, False]]


def test_a_dead_channel_is_exactly_zero(network: Small) -> None:
    Masks(network, keep(network, 0.5).masks(network)).apply()
    channels = network.act(network.norm(network.conv(torch.randn(2, 1, 5, 5))))
    dead = channels.abs().amax((0, 2, 3)) == 0
    assert dead.sum() == 2
    network.train()
    channels = network.norm(network.conv(torch.randn(2, 1, 5, 5)))
    assert (channels[:, dead] == 0).all()


def test_reinitialisation_is_uniform_by_fan_in(network: Small) -> None:
    structure = read_structure(network)
    before = network.fc1.weight.clone()
    reinitialise(network, structure, seed=3)
    assert network.conv.weight.abs().max() <= 1 / math.sqrt(9)
    assert network.fc1.weight.abs().max() <= 1 / math.sqrt(4)
    assert not torch.equal(network.fc1.weight, before)
    once = network.fc1.weight.clone()
    reinitialise(network, structure, seed=3)
    assert torch.equal(network.fc1.weight, once)
