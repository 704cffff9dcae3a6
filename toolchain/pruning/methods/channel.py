"""Whole channels: filters, batch-norm entries and readers together, so that the graph shrinks."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import nn

from ....errors import InputError
from ....exporters.channels import ChannelGroups
from ..structure import Structure
from ..units import Part, Slices, state_of

__all__ = ["parts"]


def parts(network: nn.Module, _structure: Structure, groups: ChannelGroups | None) -> list[Part]:
    """One part a family of channel groups, called after the first layer that makes its channels.

    Raises InputError where ``groups`` name a tensor that the network lacks or that has another
    shape.
    """
    if groups is None:
        raise ValueError("the channel method needs channel groups")
    families = torch.from_numpy(groups.families)
    # The number of each group among its family's.
    local = torch.zeros(groups.count, dtype=torch.int64)
    members = [torch.nonzero(families == one).flatten() for one in range(_count(families))]
    for mine in members:
        local[mine] = torch.arange(len(mine))
    slices: dict[int, list[Slices]] = defaultdict(list)
    state = state_of(network)
    _check(groups, state)
    for axis in groups.axes:
        # Running variances go at export and must not be zero before; constants of the graph alone,
        # such as the zero bias that the exporter writes, are not the network's to mask.
        if axis.role == "follows" or axis.parameter not in state:
            continue
        numbers = torch.from_numpy(axis.groups)
        inside = numbers.clamp(min=0)
        for family in sorted(set(families[numbers[numbers >= 0]].tolist())):
            units = torch.where((numbers >= 0) & (families[inside] == family), local[inside], -1)
            slices[family].append(Slices(axis.parameter, axis.axis, units, axis.role))
    return [
        Part(
            _name(family, slices[family], state),
            len(mine),
            tuple(slices[family]),
            torch.from_numpy(groups.blocks)[mine],
            torch.from_numpy(groups.widths)[mine],
        )
        for family, mine in enumerate(members)
        if slices[family]
    ]


def _check(groups: ChannelGroups, state: dict[str, torch.Tensor]) -> None:
    for layer in groups.layers:
        if layer.weight not in state:
            raise InputError(
                f"the network has no {layer.weight}, which the channel groups name; expected the "
                "network they were made from"
            )
    for axis in groups.axes:
        if axis.parameter not in state:
            continue
        shape = tuple(state[axis.parameter].shape)
        if axis.axis >= len(shape) or shape[axis.axis] != len(axis.groups):
            raise InputError(
                f"{axis.parameter}: found shape {list(shape)}, the channel groups expect "
                f"{len(axis.groups)} along axis {axis.axis}; they are another network's"
            )


def _count(numbers: torch.Tensor) -> int:
    return int(numbers.max()) + 1 if len(numbers) else 0


def _name(family: int, slices: list[Slices], state: dict[str, torch.Tensor]) -> str:
    """The first layer, in the graph's order, that makes a channel of the family."""
    for one in slices:
        if one.role == "makes" and state[one.tensor].dim() > 1:
            return one.tensor.removesuffix(".weight")
    return f"group:{family}"
