"""Whole filters and whole neurons, each layer on its own (Li et al. 2017).

What another layer adds to a dead filter's channel, as in a residual network, lives on: the graph
shrinks only where every layer happens to choose alike. The channel method chooses for all of them.
"""

from __future__ import annotations

from torch import nn

from ....exporters.channels import ChannelGroups
from ..structure import Structure
from ..units import Part
from .layers import filter_part

__all__ = ["parts"]


def parts(network: nn.Module, structure: Structure, _groups: ChannelGroups | None) -> list[Part]:
    """One part a layer; layers that make the network's outputs are left whole."""
    return [
        filter_part(network, structure, name)
        for name in (*structure.convolutions, *structure.linears)
        if name not in structure.outputs
    ]
