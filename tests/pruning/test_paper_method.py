"""The paper's method on cases small enough to work out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nnc.errors import InputError
from nnc.toolchain.pruning.criteria.filter_l2 import filter_l2
from nnc.toolchain.pruning.criteria.magnitude import magnitude
from nnc.toolchain.pruning.masks import Masks
from nnc.toolchain.pruning.paper_method import choose_kept
from nnc.toolchain.pruning.recovery import reinitialise
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


def test_criteria_by_hand() -> None:
    weight = torch.tensor([[[[3.0, 4.0]]], [[[0.0, -1.0]]]])
    assert filter_l2(weight).tolist() == [5.0, 1.0]
    assert magnitude(weight).flatten().tolist() == [3.0, 4.0, 0.0, 1.0]


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
    kept = choose_kept(network, read_structure(network), fraction)
    assert int(kept["conv"].sum()) == filters
    assert int(kept["fc1"].sum()) == weights


def test_the_smallest_go(network: Small) -> None:
    with torch.no_grad():
        for index, scale in enumerate((2.0, 0.1, 3.0, 0.2)):
            network.conv.weight[index] = scale
        network.fc2.weight.copy_(torch.tensor([[1.0, -5, 2], [-3, 4, 0.5]]))
    kept = choose_kept(network, read_structure(network), 0.5)
    assert kept["conv"].tolist() == [True, False, True, False]
    assert kept["fc2"].tolist() == [[False, True, False], [True, True, False]]


def test_a_dead_channel_is_exactly_zero(network: Small) -> None:
    structure = read_structure(network)
    Masks.from_kept(network, structure, choose_kept(network, structure, 0.5)).apply()
    channels = network.act(network.norm(network.conv(torch.randn(2, 1, 5, 5))))
    dead = channels.abs().amax((0, 2, 3)) == 0
    assert dead.sum() == 2
    network.train()
    channels = network.norm(network.conv(torch.randn(2, 1, 5, 5)))
    assert (channels[:, dead] == 0).all()


def test_neurons_without_inputs_or_outputs_go_too(network: Small) -> None:
    structure = read_structure(network)
    kept = {
        "fc1": torch.tensor([[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]], dtype=torch.bool),
        "fc2": torch.tensor([[1, 0, 1], [1, 0, 1]], dtype=torch.bool),
    }
    Masks.from_kept(network, structure, kept).apply()
    assert network.fc1.weight[:2].count_nonzero() == 0
    assert network.fc1.bias[:2].count_nonzero() == 0
    assert network.fc2.weight[:, :2].count_nonzero() == 0
    assert network.fc1.weight[2].count_nonzero() == 4


def test_masks_are_found_again_from_the_zeros(network: Small) -> None:
    structure = read_structure(network)
    Masks.from_kept(network, structure, choose_kept(network, structure, 0.5)).apply()
    zeros = {name: value == 0 for name, value in network.state_dict().items()}
    again = Masks.from_zeros(network, structure)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    again.apply()
    for name in ("conv.weight", "norm.bias", "fc1.weight", "fc2.weight"):
        assert torch.equal(network.state_dict()[name] == 0, zeros[name]), name


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_momentum_and_decay_never_revive(network: Small, weight_decay: float) -> None:
    structure = read_structure(network)
    network.train()
    optimiser = torch.optim.SGD(
        network.parameters(), 0.1, momentum=0.9, weight_decay=weight_decay, nesterov=True
    )
    images, labels = torch.randn(8, 1, 5, 5), torch.randint(0, 2, (8,))

    def step() -> None:
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimiser.step()

    step()
    masks = Masks.from_kept(network, structure, choose_kept(network, structure, 0.5))
    masks.apply()
    zeros = {name: value == 0 for name, value in network.named_parameters()}
    for _ in range(5):
        step()
        masks.apply()
        for name, value in network.named_parameters():
            assert (value[zeros[name]] == 0).all(), name


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
