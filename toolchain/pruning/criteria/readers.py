"""Who reads a unit: the convolutions and fully-connected layers behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ....exporters.channels import ChannelGroups
from ..units import Part, Slices
from .asked import Asked

__all__ = ["Reader", "absorb", "grouped", "readers", "readers_by_layer"]


@dataclass(frozen=True)
class Reader:
    """A layer that reads units of one part."""

    part: int
    """The part's place among those asked for."""
    layer: str
    columns: torch.Tensor
    """int64 [n]: for each column of the layer's weight, flattened from axis 1 on, the unit that
    it reads; -1 for what belongs to no unit of the part."""


def readers(asked: Asked, index: int) -> list[Reader]:
    """The layers that read the units of part ``index``; none where a unit is not read alone.

    Of a filter that is the case where other layers add to its channel.
    """
    part = asked.parts[index]
    slices = [one for one in part.slices if one.role == "reads"]
    if not slices and asked.groups is not None:
        slices = _of_filters(part, asked.groups)
    found = []
    for one in slices:
        layer = one.tensor.removesuffix(".weight")
        module = asked.network.get_submodule(layer)
        if isinstance(module, nn.Conv2d | nn.Linear) and one.axis == 1:
            each = module.weight[0, 0].numel()
            found.append(Reader(index, layer, one.units.repeat_interleave(each)))
    return found


def readers_by_layer(asked: Asked) -> dict[str, list[Reader]]:
    """All readers of all parts, by the layer that reads."""
    found: dict[str, list[Reader]] = {}
    for index in range(len(asked.parts)):
        for one in readers(asked, index):
            found.setdefault(one.layer, []).append(one)
    return found


def _of_filters(part: Part, groups: ChannelGroups) -> list[Slices]:
    """Reading slices of a layer's filters, where each makes a channel group by itself."""
    makes = [a for a in groups.axes if a.role == "makes" and a.parameter.endswith(".weight")]
    own = next((a for a in makes if a.parameter == part.slices[0].tensor), None)
    if own is None or len(own.groups) != part.units or (own.groups < 0).any():
        return []
    others = np.concatenate([own.groups, *(a.groups for a in makes if a is not own)])
    if (np.bincount(others[others >= 0], minlength=groups.count)[own.groups] != 1).any():
        return []
    unit = np.full(groups.count + 1, -1, np.int64)  # The last for group -1.
    unit[own.groups] = np.arange(part.units)
    return [
        Slices(axis.parameter, axis.axis, torch.from_numpy(unit[axis.groups]), "reads")
        for axis in groups.axes
        if axis.role == "reads" and (unit[axis.groups] >= 0).any()
    ]


def grouped(network: nn.Module, layer: str, weight: torch.Tensor) -> torch.Tensor:
    """A tensor of the shape of the layer's weight as [G, out / G, n]."""
    module = network.get_submodule(layer)
    groups = module.groups if isinstance(module, nn.Conv2d) else 1
    return weight.reshape(groups, weight.shape[0] // groups, -1)


def absorb(asked: Asked, layer: str) -> tuple[str, float] | None:
    """What can take over a constant part of a layer's output, and with which sign.

    Its bias, or the running mean of the batch-norm that alone reads it; None without either.
    """
    if asked.network.get_submodule(layer).bias is not None:
        return f"{layer}.bias", 1.0
    if (norm := asked.structure.norms.get(layer)) is not None:
        return f"{norm}.running_mean", -1.0
    return None
