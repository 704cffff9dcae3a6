"""Each criterion on a case worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nnc.errors import InputError
from nnc.toolchain.pruning.criteria import CRITERIA
from nnc.toolchain.pruning.selection import Choice, Scored, score
from nnc.toolchain.pruning.structure import read_structure

from .hand_made import Three, evidence, three_groups

PIXELS = torch.tensor([1.0, -1.0, 1.0, -1.0]).view(4, 1, 1, 1)
"""Channels 0 and 1 of `Three` say 1, 0, 1, 0; channel 2 says 0, 1, 0, 1."""


def scored(network: nn.Module, method: str, criterion: str, **given: object) -> Scored:
    return score(network, Choice(method, criterion), read_structure(network), **given)


def of(network: nn.Module, method: str, criterion: str, **given: object) -> list[list[float]]:
    found = scored(network, method, criterion, **given)
    return [one.tolist() for one in found.scores.values()]


def linear(*rows: tuple[float, ...]) -> nn.Module:
    network = nn.Sequential(nn.Linear(len(rows[0]), len(rows), bias=False))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor(rows))
    return network.eval()


def test_every_criterion_has_its_file() -> None:
    assert list(CRITERIA) == [
        "l1", "l2", "bn-scale", "taylor", "fisher", "obs", "thinet", "random",
    ]  # fmt: skip


@pytest.mark.parametrize(("criterion", "together"), [("l1", 7), ("l2", 5)])
def test_norms(criterion: str, together: float) -> None:
    """A channel counts its filter (3) and what reads it (4)."""
    network = Three((1, 2, 3))
    with torch.no_grad():
        network.first.weight[0] = 3
        network.second.weight[0, 0] = 4
    found = of(network, "channel", criterion, groups=three_groups())
    assert found[0][0] == pytest.approx(together)
    assert of(network, "filter", criterion)[0] == pytest.approx([3, 1, 1])
    assert of(network, "element", criterion)[1] == pytest.approx([4, 2, 3])


def test_norms_of_filters_with_several_weights() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, (1, 2), bias=False), nn.Conv2d(2, 1, 1))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[[[3.0, 4.0]]], [[[0.0, -1.0]]]]))
    assert of(network, "paper", "l2") == [[5, 1]]
    assert of(network, "paper", "l1") == [[7, 1]]


def test_bn_scale() -> None:
    network = Three((1, 2, 3), norm=True)
    with torch.no_grad():
        network.norm.weight.copy_(torch.tensor([-2.0, 0.5, 1.0]))
    assert of(network, "filter", "bn-scale") == [[2, 0.5, 1]]
    assert of(network, "channel", "bn-scale", groups=three_groups(norm=True)) == [[2, 0.5, 1]]
    with pytest.raises(InputError, match=r"^criterion 'bn-scale' found no batch-norm"):
        of(Three((1, 2, 3)), "channel", "bn-scale", groups=three_groups())


def test_taylor_of_weights() -> None:
    """Logits (1, 0) and label 0: dL/dW = (p - 1, 1 - p) times x, p = 1 / (1 + 1/e)."""
    images = torch.tensor([[1.0, 0.0]]).expand(4, 2)
    p = 1 / (1 + math.exp(-1))
    found = of(linear((1, 2), (0, 3)), "element", "taylor", evidence=evidence(images))
    assert found[0] == pytest.approx([(1 - p) ** 2, 0, 0, 0])


class Pair(nn.Module):
    """`Three` against a logit of zero."""

    def __init__(self, inner: Three) -> None:
        super().__init__()
        self.first, self.norm, self.second = inner.first, inner.norm, inner.second
        self.act, self.out = inner.act, inner.out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logit = self.out(self.second(self.act(self.norm(self.first(x)))))
        return torch.cat([logit, torch.zeros_like(logit)], dim=1)


@pytest.mark.parametrize("norm", [False, True])
def test_taylor_of_channels_and_filters(norm: bool) -> None:
    """A gate's gradient is what the channel adds to the logit times (p - 1), meaned over two."""
    network = Pair(Three((1, 2, 3), norm=norm)).eval()
    p = 1 / (1 + math.exp(-3))
    expected = [((1 - p) * share / 2) ** 2 for share in (1, 2, 3)]
    given = {"evidence": evidence(PIXELS)}
    assert of(network, "filter", "taylor", **given)[0] == pytest.approx(expected)
    found = of(network, "channel", "taylor", groups=three_groups(norm=norm), **given)
    assert found[0] == pytest.approx(expected)


def test_gradient_passes_leave_the_network_as_it_was() -> None:
    network = Pair(Three((1, 2, 3), norm=True)).train()
    network.first.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    of(network, "element", "fisher", evidence=evidence(PIXELS))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert network.training
    assert network.norm.training
    assert [p.requires_grad for p in network.parameters()] == [False, True, True, True]
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("label", [0, 1])
def test_fisher_is_that_of_the_model_whatever_the_labels(label: int) -> None:
    """F = p (1 - p) for a logit's weight on x = 1, worth F w^2 / 2."""
    images = torch.tensor([[1.0, 0.0]]).expand(4000, 2)
    labels = torch.full((4000,), label)
    network = linear((2, 1), (0, 0))
    p = 1 / (1 + math.exp(-2))
    found = of(network, "element", "fisher", evidence=evidence(images, labels))
    assert found[0] == pytest.approx([p * (1 - p) * 2**2 / 2, 0, 0, 0], rel=0.1)
    again = of(network, "element", "fisher", evidence=evidence(images, labels))
    assert again == found


def test_random() -> None:
    network = Three((0, 2, 0))
    found = of(network, "element", "random")[1]
    assert found[0] == found[2] == 0
    assert 0 < found[1] <= 1
    assert of(network, "element", "random")[1] == found
    other = score(network, Choice("element", "random", seed=1), read_structure(network))
    assert other.scores["second"].tolist() != found


def test_obs_of_weights() -> None:
    """H = [[1, 1], [1, 1]] + 0.01: [H^-1]_qq = 1.01 / 0.0201, and w_0 takes over w_1 / 1.01."""
    images = torch.ones(8, 2)
    network = linear((3, 1))
    found = scored(network, "element", "obs", evidence=evidence(images))
    energy = 1.01 * (9 + 1) + 2 * 3
    diagonal = 1.01 / 0.0201
    # float32 weights, float64 inverse.
    assert found.scores["0"].tolist() == pytest.approx(
        [9 / diagonal / energy, 1 / diagonal / energy], rel=1e-3
    )
    kept = found.keep(0.5)
    assert kept.masks(network)["0.weight"].tolist() == [[True, False]]
    kept.compensate(network)
    assert network[0].weight.tolist() == [[pytest.approx(3 + 1 / 1.01), 0.0]]


def test_obs_moves_the_bias_and_leaves_zeros_alone() -> None:
    network = nn.Sequential(nn.Linear(3, 1))
    images = torch.tensor([[1.0, 0.0, 1.0], [-1.0, 2.0, 1.0]]).repeat(4, 1)
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[4.0, 0.0, 1.0]]))
        network[0].bias.zero_()
    found = scored(network.eval(), "element", "obs", evidence=evidence(images))
    kept = found.keep(0.5)
    assert kept.masks(network)["0.weight"].tolist() == [[True, False, False]]
    kept.compensate(network)
    assert network[0].weight[0, 1:].tolist() == [0, 0]
    # The third input is 1 always: what it said goes to the bias.
    assert float(network[0].bias.detach()) == pytest.approx(1, rel=0.03)
    assert float(network[0].weight[0, 0].detach()) == pytest.approx(4, rel=0.03)


def test_obs_of_channels() -> None:
    """Channels 0 and 1 say the same: either can stand for both; channel 2 stands alone."""
    network = Three((1, 2, 3))
    given = {"groups": three_groups(), "evidence": evidence(PIXELS)}
    found = scored(network, "channel", "obs", **given)
    costs = found.scores["first"].tolist()
    # H = mean of x x^T + 0.005; channel 2 alone: w^2 (0.5 + 0.005) of the energy, about 9.
    damped = 0.505
    energy = damped * (1 + 4 + 9) + 2 * 0.5 * 2
    assert costs[2] == pytest.approx(9 * damped / 2 / (energy / 2), rel=1e-4)
    assert costs[0] == pytest.approx((damped - 0.25 / damped) / energy, rel=1e-3)
    before = network(PIXELS)
    kept = found.keep(0.34)
    kept.compensate(network)
    read = network.second.weight.flatten().tolist()
    assert read == [0, pytest.approx(2 + 0.5 / damped), pytest.approx(3)]
    assert torch.allclose(network(PIXELS), before, atol=0.02)


def test_thinet() -> None:
    """The Gram matrix of what is heard is [[.5, 1, 0], [1, 2, 0], [0, 0, 4.5]]."""
    network = Three((1, 2, 3))
    given = {"groups": three_groups(), "evidence": evidence(PIXELS)}
    for method in ("channel", "filter"):
        found = scored(network, method, "thinet", **given)
        whole = 9 + 0.005 * 14
        losses = [0.5 / whole, 4.5 / whole, 9 / whole]
        assert found.scores["first"].tolist() == pytest.approx(losses, rel=1e-4)
    kept = found.keep(0.34)
    assert kept.masks(network)["first.weight"].flatten().tolist() == [False, True, True]
    kept.compensate(network)
    assert network.second.weight.flatten().tolist()[1:] == pytest.approx([3, 3], rel=1e-3)


def test_thinet_on_a_layer_that_hears_nothing() -> None:
    """All its channels are worth nothing, and making up for them changes nothing."""
    network = Three((1, 2, 3))
    with torch.no_grad():
        network.first.weight.zero_()
    given = {"groups": three_groups(), "evidence": evidence(PIXELS)}
    for method in ("channel", "filter"):
        found = scored(network, method, "thinet", **given)
        assert found.scores["first"].tolist() == [0, 0, 0]
        found.keep(0.34).compensate(network)
        assert network.second.weight.flatten().tolist() == [1, 2, 3]


def test_thinet_sees_what_cancels() -> None:
    """Of weights 2, -2 and 2.2, channels 0 and 1 cancel: together they go for nothing."""
    network = Three((2, -2, 2.2))
    given = {"groups": three_groups(), "evidence": evidence(PIXELS)}
    found = scored(network, "channel", "thinet", **given)
    first, second, third = found.scores["first"].tolist()
    # 0 goes first (2), 1 with it leaves 0 where 2 with it would leave 2 + 2.42.
    assert first < second < third
    assert found.keep(0.67).masks(network)["first.weight"].flatten().tolist() == [
        False, False, True,
    ]  # fmt: skip


def test_thinet_judges_filters_that_share_a_channel_by_what_they_say() -> None:
    class Sum(Three):
        def __init__(self) -> None:
            super().__init__((1, 2, 3))
            self.other = nn.Conv2d(1, 3, 1, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.second(self.act(self.first(x) + self.other(x))))

    network = Sum()
    with torch.no_grad():
        network.first.weight.copy_(torch.tensor([3.0, 1.0, 2.0]).view(3, 1, 1, 1))
    groups = three_groups()
    makes = groups.axes[1]
    shared = type(makes)("other.weight", 0, "makes", makes.groups)
    groups = type(groups)(**{**vars(groups), "axes": (*groups.axes, shared)})
    found = scored(network, "filter", "thinet", groups=groups, evidence=evidence(PIXELS))
    assert found.scores["first"].tolist() == pytest.approx([1, 1 / 14, 5 / 14])
    before = network.second.weight.clone()
    found.keep(0.34).compensate(network)
    assert torch.equal(network.second.weight, before)
