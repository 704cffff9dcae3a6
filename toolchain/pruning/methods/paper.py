"""The paper's method: filters of convolutions, single weights of fully-connected layers.

Paupamah, James, Klein 2020, section III: the same fraction of every layer, each on its own.
"""

from __future__ import annotations

from torch import nn

from ....exporters.channels import ChannelGroups
from ..structure import Structure
from ..units import Part
from .layers import filter_part, weight_part

__all__ = ["parts"]


def parts(network: nn.Module, structure: Structure, _groups: ChannelGroups | None) -> list[Part]:
    """One part a layer; a convolution that makes the network's outputs is left whole."""
    return [
        filter_part(network, structure, name)
        for name in structure.convolutions
        if name not in structure.outputs
    ] + [weight_part(network, name) for name in structure.linears]
