"""The three networks have torchvision's sizes and take the images they say they take."""

from __future__ import annotations

import pytest
import torch

from nnc.errors import InputError
from nnc.models import ARCHITECTURES, build
from nnc.models.macs import count_macs
from nnc.models.registry import find


@pytest.mark.parametrize(
    ("name", "millions"), [("alexnet", 57.0), ("mobilenet", 2.24), ("shufflenet", 1.26)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_parameter_counts(name: str, millions: float, channels: int) -> None:
    with torch.device("meta"):
        network = build(name, 10, channels)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize("size", [28, 32, 224])
@pytest.mark.parametrize("name", ["mobilenet", "shufflenet"])
def test_sizes_and_classes(name: str, size: int) -> None:
    network = build(name, 7, 3).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, size, size)).shape == (2, 7)


def test_macs_of_published_networks() -> None:
    with torch.device("meta"):
        network = build("mobilenet", 1000, 3)
    assert count_macs(network, 3, 224, 224) == pytest.approx(300.8e6, rel=0.01)
    with torch.device("meta"):
        network = build("shufflenet", 1000, 3)
    assert count_macs(network, 3, 224, 224) == pytest.approx(146e6, rel=0.03)


def test_unknown_architecture_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean mobilenet"):
        build("mobilnet")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_smallest_size_works_and_smaller_is_refused(name: str) -> None:
    architecture = find(name)
    size = architecture.smallest_size
    with torch.device("meta"):
        network = build(name, 10, 1).eval()
        assert network(torch.zeros(1, 1, size, size)).shape == (1, 10)
    architecture.check_size(size, size)
    with pytest.raises(InputError, match="pixels a side"):
        architecture.check_size(size - 1, size)
