"""What can go: parts of a network, cut into units that live or die whole."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

__all__ = ["Part", "Slices", "state_of"]


@dataclass(frozen=True)
class Slices:
    """One tensor of a network's state, cut along one axis into slices that belong to units."""

    tensor: str
    """Its state_dict name."""
    axis: int | None
    """None: every element is a unit of its own."""
    units: torch.Tensor
    """int64 [size of the axis]: the unit of each slice; -1 where it belongs to none."""
    role: str
    """``makes``, ``scales`` or ``reads``, as in a channel group."""

    def sums(self, values: torch.Tensor, count: int) -> torch.Tensor:
        """Sum ``values``, of the tensor's shape, over the slices of each unit: float64 [count].

        On the CPU, where sums do not depend on the order of threads. Single elements stay as and
        where they are, flattened.
        """
        if self.axis is None:
            return values.flatten()
        along = (
            values.movedim(self.axis, 0)
            .reshape(len(self.units), -1)
            .sum(1, dtype=torch.float64)
            .cpu()
        )
        mine = self.units >= 0
        return torch.zeros(count, dtype=torch.float64).index_add_(0, self.units[mine], along[mine])

    def mask(self, kept: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """What stays of the tensor when the units ``kept`` (bool) do: bool, to broadcast."""
        if self.axis is None:
            return kept.view(shape)
        along = kept.cpu()[self.units.clamp(min=0)] | (self.units < 0)
        return along.view([-1 if axis == self.axis else 1 for axis in range(len(shape))])


@dataclass(frozen=True)
class Part:
    """Units that are compared with one another: a layer's, or a family of channel groups."""

    name: str
    units: int
    slices: tuple[Slices, ...]
    blocks: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    """int64 [units], for channels: units of one block pass through the same layers. Else empty."""
    widths: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    """int64 [units], for channels: how many channels a unit stands for. Else empty."""

    @property
    def elements(self) -> bool:
        """Whether the units are single weights."""
        return self.slices[0].axis is None

    def sizes(self, network: nn.Module) -> torch.Tensor:
        """How many weights go with each unit, those that read it not counted: int32 [units]."""
        state = state_of(network)
        if self.elements:
            return torch.ones(self.units, dtype=torch.int32)
        total = torch.zeros(self.units, dtype=torch.float64)
        for one in self.weights(network):
            if one.role != "reads":
                total += one.sums(torch.ones_like(state[one.tensor]), self.units)
        return total.int()

    def weights(self, network: nn.Module) -> list[Slices]:
        """The slices of weights proper that a norm counts: no biases, no batch-norms.

        Of a channel all that go with it, of a filter or neuron its own.
        """
        state = state_of(network)
        return [
            one
            for one in self.slices
            if state[one.tensor].dim() > 1 and (len(self.blocks) or one.role != "reads")
        ]


def state_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name, not copies."""
    return dict(network.named_parameters()) | dict(network.named_buffers())
