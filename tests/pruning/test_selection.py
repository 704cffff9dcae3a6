"""Selection: which units there are, how many stay, what is masked with them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from nnc.errors import InputError
from nnc.exporters.channels.groups import ChannelGroups
from nnc.toolchain.pruning.masks import Masks
from nnc.toolchain.pruning.selection import Choice, NoPartError, Scored, score
from nnc.toolchain.pruning.structure import read_structure

from .hand_made import Three, three_groups


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
    with torch.no_grad():
        for index, scale in enumerate((2.0, 0.1, 3.0, 0.2)):
            network.conv.weight[index] = scale
    return network.eval()


def scored(
    network: nn.Module, method: str = "paper", groups: ChannelGroups | None = None, **given: object
) -> Scored:
    return score(network, Choice(method, **given), read_structure(network), groups)


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("paper", {"conv": 4, "fc1": 12, "fc2": 6}),
        ("element", {"conv": 36, "fc1": 12, "fc2": 6}),
        ("filter", {"conv": 4, "fc1": 3}),
    ],
)
def test_parts(network: Small, method: str, parts: dict[str, int]) -> None:
    assert scored(network, method).parts == parts


def test_default_criteria() -> None:
    defaults = {name: Choice(name).criterion for name in ("paper", "element", "filter", "channel")}
    assert defaults == {"paper": "l2", "element": "l1", "filter": "l2", "channel": "l2"}


@pytest.mark.parametrize(
    ("fraction", "filters", "weights"), [(0, 4, 12), (0.25, 3, 9), (0.5, 2, 6), (0.99, 1, 1)]
)
def test_same_fraction_of_every_layer(
    network: Small, fraction: float, filters: int, weights: int
) -> None:
    counts = scored(network).keep(fraction).counts
    assert (counts["conv"], counts["fc1"]) == (filters, weights)


def test_paper_masks_the_smallest_and_what_goes_with_them(network: Small) -> None:
    masks = scored(network).keep(0.5).masks(network)
    stays = [True, False, True, False]
    assert masks["conv.weight"].flatten().tolist() == stays
    for name in ("conv.bias", "norm.weight", "norm.bias", "norm.running_mean"):
        assert masks[name].tolist() == stays, name
    assert "norm.running_var" not in masks
    largest = network.fc2.weight.detach().abs().flatten().sort().values[3]
    assert not (masks["fc2.weight"] & (network.fc2.weight.abs() < largest)).any()


def test_neurons_without_inputs_or_outputs_go_too(network: Small) -> None:
    with torch.no_grad():
        network.fc1.weight.copy_(torch.tensor([[0.1] * 4, [5.0, 5, 0.1, 0.1], [5.0, 5, 5, 5]]))
        network.fc2.weight.copy_(torch.tensor([[5.0, 0.1, 6], [4.0, 0.1, 7]]))
    masks = scored(network).keep({"fc1": 0.5, "fc2": 0.34}).masks(network)
    assert masks["fc1.bias"].tolist() == [False, False, True]
    assert masks["fc1.weight"].any(dim=1).tolist() == [False, False, True]
    assert masks["fc2.weight"].any(dim=0).tolist() == [False, False, True]
    assert "conv.weight" not in masks or masks["conv.weight"].all()


def test_elements_of_a_convolution(network: Small) -> None:
    """A filter that lost all its weights is silent: its batch-norm goes with it."""
    kept = scored(network, "element").keep({"conv": 0.5})
    masks = kept.masks(network)
    stays = [True, False, True, False]
    assert masks["conv.weight"].flatten(1).any(dim=1).tolist() == stays
    assert masks["norm.bias"].tolist() == stays
    Masks(network, masks).apply()
    said = network.act(network.norm(network.conv(torch.randn(2, 1, 5, 5))))
    assert said[:, [1, 3]].count_nonzero() == 0


def test_neurons_of_hidden_layers(network: Small) -> None:
    masks = scored(network, "filter").keep(0.34).masks(network)
    stays = masks["fc1.bias"]
    assert int(stays.sum()) == 2
    assert masks["fc1.weight"].flatten().tolist() == stays.tolist()
    assert masks["fc2.weight"].flatten().tolist() == stays.tolist()
    assert "fc2.bias" not in masks


def test_what_makes_the_outputs_stays_whole() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.Flatten())
    for method in ("paper", "filter"):
        assert scored(network, method).parts == {"0": 4}


def test_fractions_are_nested_and_zeros_go_first(network: Small) -> None:
    found = scored(network)
    before = found.keep(0.25)
    Masks(network, before.masks(network)).apply()
    again = scored(network).keep(0.25)
    for first, second in zip(before.alive, again.alive, strict=True):
        assert torch.equal(first, second)
    for first, second in zip(found.keep(0.3).alive, found.keep(0.6).alive, strict=True):
        assert not (second & ~first).any()


def test_a_table_names_its_parts(network: Small) -> None:
    found = scored(network)
    assert found.keep({"conv": 0.5}).counts == {"conv": 2, "fc1": 12, "fc2": 6}
    with pytest.raises(
        NoPartError, match="'conv9' is no part of this network under method 'paper'"
    ):
        found.keep({"conv9": 0.5})
    with pytest.raises(InputError, match=r"sensitivity 1 for conv: expected a fraction from 0"):
        found.keep({"conv": 1.0})
    with pytest.raises(InputError, match=r"sensitivity nan"):
        found.keep(float("nan"))


def test_global_scope_sets_one_threshold() -> None:
    """Scores by their part's mean: (.5, 1, 1.5) and (.1, .1, 2.8); two of six weights go."""
    network = Three((0.1, 0.1, 2.8))
    with torch.no_grad():
        network.first.weight.copy_(torch.tensor([50.0, 100, 150]).view(3, 1, 1, 1))
    found = scored(network, "element", scope="global")
    assert found.keep(0.34).counts == {"first": 3, "second": 1}
    assert found.keep(0.5).counts == {"first": 2, "second": 1}
    assert found.keep(0.99).counts == {"first": 1, "second": 1}
    with pytest.raises(InputError, match="a sensitivity for each layer with scope 'global'"):
        found.keep({"first": 0.5})


def test_global_scope_counts_weights(network: Small) -> None:
    """A filter is nine weights, a neuron four: 48 weights can go, a quarter of them is twelve."""
    with torch.no_grad():
        network.fc1.weight.copy_(torch.tensor([[1.0] * 4, [8.0] * 4, [9.0] * 4]))
    found = scored(network, "filter", scope="global", criterion="l2")
    # By their mean: conv 1.51, .08, 2.26, .15; fc1 .17, 1.33, 1.5.
    assert found.keep(0.25).counts == {"conv": 3, "fc1": 3}
    assert found.keep(0.4).counts == {"conv": 2, "fc1": 3}
    assert found.keep(0.46).counts == {"conv": 2, "fc1": 2}


def test_channel_masks_all_slices_of_a_group() -> None:
    network = Three((1, 2, 3), norm=True)
    with torch.no_grad():
        network.norm.bias.fill_(0.7)
        network.norm.running_mean.fill_(0.2)
    images = torch.randn(2, 1, 4, 4)
    masks = scored(network, "channel", three_groups(norm=True)).keep(0.34).masks(network)
    stays = [False, True, True]
    for name in ("first.weight", "norm.weight", "norm.bias", "norm.running_mean", "second.weight"):
        assert masks[name].flatten().tolist() == stays, name
    assert "norm.running_var" not in masks
    smaller = Three((1, 2, 3), norm=True)
    smaller.load_state_dict(network.state_dict())
    Masks(network, masks).apply()
    smaller.first.weight = nn.Parameter(smaller.first.weight[1:])
    smaller.second.weight = nn.Parameter(smaller.second.weight[:, 1:])
    norm = smaller.norm
    norm.weight, norm.bias = nn.Parameter(norm.weight[1:]), nn.Parameter(norm.bias[1:])
    norm.running_mean, norm.running_var = norm.running_mean[1:], norm.running_var[1:]
    assert torch.allclose(smaller(images), network(images), atol=1e-6)


@pytest.mark.parametrize("criterion", ["l1", "l2", "random"])
def test_pinned_channels_are_left_alone(criterion: str) -> None:
    network = Three((0.001, 2, 3))
    with torch.no_grad():
        network.first.weight[0] = 0.001
    found = scored(network, "channel", three_groups(pinned=(0,)), criterion=criterion)
    assert found.parts == {"first": 2}
    kept = found.keep(0.9)
    assert kept.masks(network)["first.weight"].flatten().tolist()[0]
    assert kept.counts == {"first": 1}


@pytest.mark.parametrize("criterion", ["obs", "thinet"])
def test_compensation_does_not_touch_pinned_channels(criterion: str) -> None:
    from .hand_made import evidence

    network = Three((1, 2, 3))
    images = torch.tensor([1.0, -1.0, 1.0, -1.0]).view(4, 1, 1, 1)
    choice = Choice("channel", criterion)
    groups = three_groups(pinned=(1,))
    found = score(network, choice, read_structure(network), groups, evidence(images))
    kept = found.keep(0.5)
    kept.compensate(network)
    Masks(network, kept.masks(network)).apply()
    assert network.second.weight.flatten().tolist() == [0, 2, pytest.approx(3)]


def test_families_are_named_for_their_first_layer() -> None:
    groups = three_groups()
    assert scored(Three((3, 2, 1)), "channel", groups).parts == {"first": 3}
    no_maker = replace(groups, axes=tuple(a for a in groups.axes if a.role != "makes"))
    assert scored(Three((3, 2, 1)), "channel", no_maker).parts == {"group:0": 3}


def test_groups_of_another_network(network: Small) -> None:
    with pytest.raises(InputError, match=r"the network has no first\.weight, which the channel"):
        scored(network, "channel", three_groups())
    wide = Three((1, 2, 3))
    wide.first = nn.Conv2d(1, 5, 1)
    with pytest.raises(InputError, match=r"first\.weight: found shape \[5, 1, 1, 1\]"):
        scored(wide, "channel", three_groups())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(network: Small, value: float) -> None:
    with torch.no_grad():
        network.fc1.bias[1] = value
    with pytest.raises(InputError, match=r"^fc1\.bias holds NaN or infinity"):
        scored(network)


def test_huge_weights_are_numbers_still(network: Small) -> None:
    with torch.no_grad():
        network.fc1.weight[0, :2] = torch.tensor([3e38, -3e38])
    found = scored(network, "element")
    assert bool(found.keep(0.5).masks(network)["fc1.weight"][0, :2].all())
    with torch.no_grad():
        network.half().fc1.weight[0, :2] = torch.tensor([6e4, -6e4])
    scored(network, "element")


def test_nothing_to_prune() -> None:
    with pytest.raises(InputError, match=r"^nothing to prune: method 'filter' found no layer"):
        scored(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), "filter")
    with pytest.raises(InputError, match=r"^nothing to prune"):
        scored(nn.Sequential(nn.ReLU()))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "blocks"}, "expected paper, element, filter or channel"),
        ({"criterion": "l3"}, "expected l1, l2, bn-scale, taylor, fisher, obs, thinet or random"),
        ({"method": "paper", "criterion": "obs"}, "it fits element or channel"),
        ({"method": "element", "criterion": "thinet"}, "it fits filter or channel"),
        ({"method": "element", "criterion": "bn-scale"}, "it fits filter or channel"),
        ({"scope": "block"}, "expected layer or global"),
        ({"method": "channel", "round_to": 0}, "expected 1 to 1024"),
        ({"round_to": 8}, "only the channel method"),
        ({"seed": -1}, "expected 0 to 4294967295"),
    ],
)
def test_wrong_choices(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Choice(**given)


def test_a_choice_needs_no_torch() -> None:
    code = (
        "import sys; from nnc.toolchain.pruning.choice import Choice; Choice('channel', 'obs'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
