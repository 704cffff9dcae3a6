"""The parts of single layers: their weights one by one, or their filters and neurons."""

from __future__ import annotations

import torch
from torch import nn

from ..structure import Structure, weight_of
from ..units import Part, Slices

__all__ = ["filter_part", "weight_part"]


def weight_part(network: nn.Module, layer: str) -> Part:
    """Every weight of ``layer`` as a unit."""
    count = weight_of(network, layer).numel()
    name = f"{layer}.weight"
    return Part(layer, count, (Slices(name, None, torch.empty(0, dtype=torch.int64), "makes"),))


def filter_part(network: nn.Module, structure: Structure, layer: str) -> Part:
    """Every filter or neuron of ``layer`` as a unit, with its bias and its batch-norm's entries.

    A neuron also takes the weights that read it along, where a fully-connected layer follows.
    """
    count = weight_of(network, layer).shape[0]
    every = torch.arange(count)
    slices = [Slices(f"{layer}.weight", 0, every, "makes")]
    if network.get_submodule(layer).bias is not None:
        slices.append(Slices(f"{layer}.bias", 0, every, "makes"))
    if (norm := structure.norms.get(layer)) is not None:
        slices += [
            Slices(f"{norm}.{one}", 0, every, "scales")
            for one in ("weight", "bias", "running_mean")
        ]
    slices += [
        Slices(f"{second}.weight", 1, every, "reads")
        for first, second in structure.chains
        if first == layer
    ]
    return Part(layer, count, tuple(slices))
