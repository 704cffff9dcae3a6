"""Single weights of convolutions and fully-connected layers (Han et al. 2015)."""

from __future__ import annotations

from torch import nn

from ....exporters.channels import ChannelGroups
from ..structure import Structure
from ..units import Part
from .layers import weight_part

__all__ = ["parts"]


def parts(network: nn.Module, structure: Structure, _groups: ChannelGroups | None) -> list[Part]:
    """One part a layer."""
    return [weight_part(network, name) for name in (*structure.convolutions, *structure.linears)]
