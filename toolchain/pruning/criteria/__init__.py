"""What a unit is worth: one criterion a file, one line in this table. Loads no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .asked import Asked, Worth

__all__ = ["CRITERIA", "Criterion"]

_EVERY = ("paper", "element", "filter", "channel")


@dataclass(frozen=True)
class Criterion:
    """A row of the table.

    ``absolute`` says that scores of different layers compare as they are; the others are divided
    by their part's mean before one threshold is set over all parts.
    """

    module: str
    methods: tuple[str, ...] = _EVERY
    needs_images: bool = False
    needs_groups: bool = False
    absolute: bool = False

    def worth(self, asked: Asked) -> Worth:
        """The score of every unit of every part; what scores least goes first."""
        module: Any = import_module(f".{self.module}", __name__)
        worth: Worth = module.worth(asked)
        return worth


CRITERIA = {
    "l1": Criterion("l1"),
    "l2": Criterion("l2"),
    "bn-scale": Criterion("bn_scale", ("filter", "channel")),
    "taylor": Criterion("taylor", needs_images=True, absolute=True),
    "fisher": Criterion("fisher", needs_images=True, absolute=True),
    "obs": Criterion("obs", ("element", "channel"), needs_images=True, absolute=True),
    "thinet": Criterion(
        "thinet", ("filter", "channel"), needs_images=True, needs_groups=True, absolute=True
    ),
    "random": Criterion("random_order"),
}
