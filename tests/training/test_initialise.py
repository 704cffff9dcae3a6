"""First weights: every layer's output has unit variance on the images it was scaled to."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nnc import models
from nnc.toolchain.training.initialise import FIRST_LOGITS, initialise


def _initialised(name: str, size: int, seed: int = 0) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(seed)
    network = models.build(name, 10, 1, regularisation=False)
    images = torch.rand(32, 1, size, size) * 2 - 1
    initialise(network, images)
    return network, images


@pytest.mark.parametrize(("name", "size"), [("mobilenet", 28), ("shufflenet", 28), ("alexnet", 64)])
def test_unit_variance_all_the_way(name: str, size: int) -> None:
    network, images = _initialised(name, size)
    spreads: list[float] = []
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(
                lambda _module, _inputs, output: spreads.append(float(output.std()))
            )
    with torch.no_grad():
        network(images)
    assert spreads[:-1] == pytest.approx([1.0] * (len(spreads) - 1), rel=1e-2)
    assert spreads[-1] == pytest.approx(FIRST_LOGITS, rel=1e-2)


def test_seeded() -> None:
    first, again = (_initialised("shufflenet", 16)[0].state_dict() for _ in range(2))
    other = _initialised("shufflenet", 16, seed=1)[0].state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["fc.weight"], other["fc.weight"])


def test_images_without_contrast_give_finite_weights() -> None:
    network = models.build("shufflenet", 10, 1, regularisation=False)
    initialise(network, torch.zeros(4, 1, 28, 28))
    assert all(bool(torch.isfinite(p).all()) for p in network.parameters())
