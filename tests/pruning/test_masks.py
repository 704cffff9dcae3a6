"""Masks: what they zero stays zero, whatever the optimiser does, and is found again on loading."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nnc.errors import InputError
from nnc.toolchain.pruning.masks import Masks
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


def keep(network: nn.Module, method: str, fraction: float = 0.5) -> Kept:
    return score(network, Choice(method), read_structure(network)).keep(fraction)


def test_only_what_loses_something_is_touched(network: Small) -> None:
    masks = Masks(
        network,
        {
            "conv.weight": torch.tensor([1, 0, 1, 1]).view(4, 1, 1, 1),
            "conv.bias": torch.tensor([True, False, True, True]),
            "fc1.weight": torch.ones(3, 4),
        },
    )
    assert list(masks.kept()) == ["conv.weight", "conv.bias"]
    assert masks.zeros() == 9 + 1
    before = network.conv.weight.clone()
    masks.apply()
    assert network.conv.weight[1].count_nonzero() == 0
    assert torch.equal(network.conv.weight[[0, 2, 3]], before[[0, 2, 3]])
    assert network.conv.bias[1] == 0


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("conv2.weight", (4,), "mask 'conv2.weight': the network has no tensor of that name"),
        ("fc1.weight", (5, 4), r"mask 'fc1.weight' has shape \[5, 4\]; the network's tensor has"),
    ],
)
def test_masks_of_another_network_are_refused(
    network: Small, name: str, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Masks(network, {name: torch.zeros(shape)})


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("method", ["paper", "element", "filter"])
def test_masks_are_found_again_from_the_zeros(
    network: Small, method: str, channels_last: bool
) -> None:
    masks = Masks(network, keep(network, method).masks(network))
    masks.apply()
    zeros = {name: value == 0 for name, value in network.state_dict().items()}
    loaded = Small()
    loaded.load_state_dict(network.state_dict())
    if channels_last:
        loaded.to(memory_format=torch.channels_last)
    again = Masks.from_zeros(loaded)
    with torch.no_grad():
        for parameter in loaded.parameters():
            parameter.add_(1)
        loaded.norm.running_mean.add_(1)
    again.apply()
    for name in ("conv.weight", "conv.bias", "norm.weight", "norm.bias", "fc1.weight", "fc1.bias"):
        assert torch.equal(loaded.state_dict()[name] == 0, zeros[name]), name
    dead = zeros["norm.weight"]
    assert (loaded.norm.running_mean[dead] == 0).all()
    assert (loaded.norm.running_mean[~dead] == 1).all()


def test_zeros_that_are_no_masks_stay_free(network: Small) -> None:
    with torch.no_grad():
        network.fc1.bias.zero_()
        network.norm.bias.zero_()
    assert Masks.from_zeros(network).zeros() == 0


def test_what_is_zero_already_stays_so_beside_new_masks(network: Small) -> None:
    with torch.no_grad():
        network.fc1.weight[0, 0] = 0
    mask = torch.ones(3, 4)
    mask[2, 1] = 0
    masks = Masks.from_zeros(network, also={"fc1.weight": mask})
    with torch.no_grad():
        network.fc1.weight.fill_(1)
    masks.apply()
    assert (network.fc1.weight == 0).nonzero().tolist() == [[0, 0], [2, 1]]


@pytest.mark.parametrize("method", ["paper", "element", "filter"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_and_decay_never_revive(network: Small, method: str, nesterov: bool) -> None:
    """With momentum gathered before the pruning, and a weight decay that would swing it back."""
    network.train()
    optimiser = torch.optim.SGD(
        network.parameters(), 0.1, momentum=0.99, weight_decay=1.0, nesterov=nesterov
    )
    images, labels = torch.randn(8, 1, 5, 5), torch.randint(0, 2, (8,))

    def step() -> None:
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimiser.step()

    for _ in range(3):
        step()
    masks = Masks(network, keep(network, method).masks(network))
    masks.apply()
    lost = {name: ~kept for name, kept in masks.kept().items()}
    assert lost
    revived = 0
    for _ in range(10):
        step()
        revived += sum(
            int(network.state_dict()[name][where].count_nonzero()) for name, where in lost.items()
        )
        masks.apply()
        for name, where in lost.items():
            assert (network.state_dict()[name][where] == 0).all(), name
    assert revived, "the optimiser never moved a masked weight, so nothing was shown"
