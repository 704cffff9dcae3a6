"""A network of three channels, its channel groups and its images, all worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from nnc.exporters.channels.groups import ChannelGroups, Layer, ParameterAxis
from nnc.toolchain.pruning.evidence import Evidence

__all__ = ["Source", "Three", "evidence", "three_groups"]


class Three(nn.Module):
    """One channel in, three made by 1x1 filters (1, 1, -1), read with weights ``reads``.

    Channels 0 and 1 are what is positive of the image, channel 2 what is negative.
    """

    def __init__(self, reads: tuple[float, float, float], *, norm: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 3, 1, bias=False)
        self.norm = nn.BatchNorm2d(3, eps=0) if norm else nn.Identity()
        self.act = nn.ReLU()
        self.second = nn.Conv2d(3, 1, 1, bias=False)
        self.out = nn.Flatten()
        with torch.no_grad():
            self.first.weight.copy_(torch.tensor([1.0, 1.0, -1.0]).view(3, 1, 1, 1))
            self.second.weight.copy_(torch.tensor(reads).view(1, 3, 1, 1))
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.second(self.act(self.norm(self.first(x)))))


def three_groups(*, norm: bool = False, pinned: tuple[int, ...] = ()) -> ChannelGroups:
    """The groups of `Three`: channel by channel, less those pinned."""
    free = [channel for channel in range(3) if channel not in pinned]
    numbers = np.array([free.index(c) if c in free else -1 for c in range(3)], np.int64)
    nowhere = np.array([-1], np.int64)
    axes = [
        ParameterAxis("first.weight", 1, "reads", nowhere),
        ParameterAxis("first.weight", 0, "makes", numbers),
    ]
    if norm:
        axes += [
            ParameterAxis(f"norm.{name}", 0, "scales", numbers)
            for name in ("weight", "bias", "running_mean")
        ]
        axes.append(ParameterAxis("norm.running_var", 0, "follows", numbers))
    axes += [
        ParameterAxis("second.weight", 1, "reads", numbers),
        ParameterAxis("second.weight", 0, "makes", nowhere),
    ]
    zeros = np.zeros(len(free), np.int64)
    return ChannelGroups(
        count=len(free),
        axes=tuple(axes),
        families=zeros,
        blocks=zeros,
        widths=np.ones(len(free), np.int64),
        layers=(
            Layer("first", "first.weight", None, "norm" if norm else None, False),
            Layer("second", "second.weight", None, None, False),
        ),
        unprunable=(),
    )


class Source:
    """Images and labels in their given order."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor | None = None) -> None:
        self.images = images
        self.labels = torch.zeros(len(images), dtype=torch.int64) if labels is None else labels

    def __len__(self) -> int:
        return len(self.images)

    def shuffled(
        self, batch_size: int, generator: np.random.Generator, *, flip: bool, crop: float
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for start in range(0, len(self), batch_size):
            chosen = slice(start, start + batch_size)
            yield self.images[chosen], self.labels[chosen]


def evidence(images: torch.Tensor, labels: torch.Tensor | None = None) -> Evidence:
    """All of ``images``, two at a time."""
    return Evidence(Source(images, labels), images=len(images), batch_size=2)
