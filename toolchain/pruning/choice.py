"""What to prune by: method, criterion and scope, checked when chosen. Loads no PyTorch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...errors import InputError
from .criteria import CRITERIA
from .methods import METHODS

__all__ = ["SCOPES", "Choice"]

SCOPES = ("layer", "global")


@dataclass(frozen=True)
class Choice:
    """How a round decides what goes.

    ``scope`` "layer" takes the same fraction of every part (a layer, or a family of channels that
    share layers); "global" sets one threshold over all parts. ``round_to`` is for the channel
    method: channels are kept in multiples of it. ``seed`` draws what the random criterion and the
    Fisher criterion draw.
    """

    method: str = "paper"
    criterion: str = ""
    """Empty: the method's own default."""
    scope: str = "layer"
    round_to: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"pruning method '{self.method}': expected {_either(METHODS)}")
        if not self.criterion:
            object.__setattr__(self, "criterion", METHODS[self.method].criterion)
        if self.criterion not in CRITERIA:
            raise InputError(f"criterion '{self.criterion}': expected {_either(CRITERIA)}")
        if self.method not in (fits := CRITERIA[self.criterion].methods):
            raise InputError(
                f"criterion '{self.criterion}' does not fit method '{self.method}'; "
                f"it fits {_either(fits)}"
            )
        if self.scope not in SCOPES:
            raise InputError(f"scope '{self.scope}': expected {_either(SCOPES)}")
        if not 1 <= self.round_to <= 1024:
            raise InputError(f"round_to = {self.round_to}: expected 1 to 1024")
        if self.round_to > 1 and self.method != "channel":
            raise InputError(
                f"round_to = {self.round_to} with method '{self.method}': only the channel "
                "method removes whole channels; leave it out"
            )
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed {self.seed}: expected 0 to 4294967295")

    @property
    def needs_images(self) -> bool:
        """Whether `selection.score` wants evidence."""
        return CRITERIA[self.criterion].needs_images

    @property
    def needs_groups(self) -> bool:
        """Whether `selection.score` wants channel groups."""
        return self.method == "channel" or CRITERIA[self.criterion].needs_groups


def _either(names: Iterable[str]) -> str:
    *others, last = list(names)
    return f"{', '.join(others)} or {last}" if others else str(last)
