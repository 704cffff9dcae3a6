"""AlexNet: five convolutions, three fully-connected layers (Krizhevsky 2014; torchvision)."""

from __future__ import annotations

from torch import nn
from torchvision.models import alexnet

__all__ = ["build"]


def build(num_classes: int, in_channels: int) -> nn.Module:
    """AlexNet for images [N, in_channels, 224, 224]; 57.0 M parameters for 10 classes."""
    network: nn.Module = alexnet(weights=None, num_classes=num_classes)
    if in_channels != 3:
        first = nn.Conv2d(in_channels, 64, kernel_size=11, stride=4, padding=2)
        network.set_submodule("features.0", first)
    return network
