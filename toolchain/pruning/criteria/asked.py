"""What a criterion is asked and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ....exporters.channels import ChannelGroups
from ..evidence import Evidence
from ..structure import Structure
from ..units import Part

__all__ = ["Asked", "Compensation", "Worth"]

Compensation = Callable[[nn.Module, Sequence[torch.Tensor]], None]
"""Called with the network and, for every part, which units stay (bool [units])."""


@dataclass(frozen=True)
class Asked:
    """A network, its parts, and what there is to judge them by."""

    network: nn.Module
    parts: Sequence[Part]
    structure: Structure
    groups: ChannelGroups | None = None
    evidence: Evidence | None = None
    seed: int = 0


@dataclass(frozen=True)
class Worth:
    """Scores [units] of every part, in the order asked, and how the survivors make up for them."""

    scores: list[torch.Tensor]
    compensate: Compensation | None = None
