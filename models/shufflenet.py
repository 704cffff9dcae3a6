"""ShuffleNetV2 x1.0: channel split and channel shuffle (Ma et al. 2018, torchvision's form)."""

from __future__ import annotations

from torch import nn
from torchvision.models import shufflenet_v2_x1_0

__all__ = ["build"]


def build(num_classes: int, in_channels: int) -> nn.Module:
    """ShuffleNetV2 x1.0 for images [N, in_channels, H, W]; 1.26 M parameters for 10 classes."""
    network: nn.Module = shufflenet_v2_x1_0(weights=None, num_classes=num_classes)
    if in_channels != 3:
        first = nn.Conv2d(in_channels, 24, kernel_size=3, stride=2, padding=1, bias=False)
        network.set_submodule("conv1.0", first)
    return network
