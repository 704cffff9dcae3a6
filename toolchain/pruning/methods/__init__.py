"""What goes at once: one method a file, one line in this table. Loads no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from ....exporters.channels import ChannelGroups
    from ..structure import Structure
    from ..units import Part

__all__ = ["METHODS", "Method"]


@dataclass(frozen=True)
class Method:
    """A row of the table: the module that holds it, and the criterion it uses unless told."""

    module: str
    criterion: str

    def parts(
        self, network: nn.Module, structure: Structure, groups: ChannelGroups | None
    ) -> list[Part]:
        """The parts of ``network`` and their units."""
        module: Any = import_module(f".{self.module}", __name__)
        parts: list[Part] = module.parts(network, structure, groups)
        return parts


METHODS = {
    "paper": Method("paper", "l2"),
    "element": Method("element", "l1"),
    "filter": Method("filters", "l2"),
    "channel": Method("channel", "l2"),
}
