"""MobileNetV2: inverted residuals, linear bottlenecks (Sandler et al. 2018; torchvision)."""

from __future__ import annotations

from torch import nn
from torchvision.models import mobilenet_v2

__all__ = ["build"]


def build(num_classes: int, in_channels: int) -> nn.Module:
    """MobileNetV2 for images [N, in_channels, H, W]; 2.24 M parameters for 10 classes."""
    network: nn.Module = mobilenet_v2(weights=None, num_classes=num_classes)
    if in_channels != 3:
        first = nn.Conv2d(in_channels, 32, kernel_size=3, stride=2, padding=1, bias=False)
        nn.init.kaiming_normal_(first.weight, mode="fan_out")
        network.set_submodule("features.0.0", first)
    return network
