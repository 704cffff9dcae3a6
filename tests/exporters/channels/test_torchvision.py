"""torchvision's networks at half of their prunable channels, on real-valued random weights."""

from __future__ import annotations

import numpy as np
import pytest

from nnc.exporters.channels import analyse
from nnc.model_card import InputSpec

from .building import compacted, parameters, zero_groups

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")

SIDES = {"alexnet": 96, "inception_v3": 96}
QUICK = ("squeezenet1_1",)
SLOW = (
    "alexnet", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "mnasnet1_0",
    "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "resnet50",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "vgg11_bn",
)  # fmt: skip


def randomised(name: str) -> torch.nn.Module:
    """The network with every weight, bias and statistic at random, none at its default."""
    torch.manual_seed(1)
    given = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    network = getattr(torchvision.models, name)(weights=None, num_classes=10, **given)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.3)
        elif isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                torch.nn.init.normal_(module.bias, 0, 0.1)
    return network.eval()


def check(name: str) -> None:
    from nnc.exporters.onnx_trace import trace

    side = SIDES.get(name, 64)
    network = randomised(name)
    model = trace(network, InputSpec(3, side, side, (0.5,) * 3, (0.5,) * 3))
    names = set(network.state_dict())
    groups = analyse(model)
    assert {layer.weight for layer in groups.layers} <= names
    assert groups.unprunable == ()
    convolutions = sum(
        isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)) for module in network.modules()
    )
    auxiliary = sum(name.startswith(("aux", "AuxLogits")) for name in names)
    assert auxiliary or len(groups.layers) == convolutions
    before = parameters(model)
    dead = zero_groups(model, 0.5)
    # Where halving rounds down, or a block has but one group, a little more than half stays.
    assert dead >= 0.45 * groups.count
    done = compacted(model, shapes=[(2, 3, side, side)])
    assert np.isclose(analyse(done.model).count, groups.count - dead)
    assert parameters(done.model) < 0.35 * before


@pytest.mark.parametrize("name", QUICK)
def test_small_networks_at_half_their_channels(name: str) -> None:
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_networks_at_half_their_channels(name: str) -> None:
    check(name)
