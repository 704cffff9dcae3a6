"""What an interrupted prune run leaves behind: the rounds done, the masks held, the fit's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..training.resume import ResumeFile

__all__ = ["OpenRound", "RoundsFile"]

_MASK = "mask."
_LAST = "last."


@dataclass(frozen=True)
class OpenRound:
    """A round that has begun: its numbers, and what the masks keep, by tensor."""

    before: float
    done: tuple[dict[str, Any], ...]
    current: dict[str, Any]
    masks: dict[str, torch.Tensor]


class RoundsFile:
    """The `Memory` of the fit of each round, in one resume file with what came before it.

    It is written when a round's choice is made and after each of its epochs, so that a choice is
    never made twice, and what follows from it is the same bit for bit.
    """

    def __init__(self, file: ResumeFile) -> None:
        self._file = file
        self._round: OpenRound | None = None
        self._saved: tuple[dict[str, torch.Tensor], dict[str, Any]] | None = None

    def restore(self) -> OpenRound | None:
        """The round that was cut off, for the fit to go on with; None where there is none."""
        saved = self._file.read()
        if saved is None:
            return None
        tensors, numbers = saved
        self._saved = saved
        self._round = OpenRound(
            before=numbers["before"],
            done=tuple(numbers["rounds"]),
            current=numbers["round"],
            masks={
                name[len(_MASK) :]: mask for name, mask in tensors.items() if name.startswith(_MASK)
            },
        )
        return self._round

    def begin(self, opened: OpenRound, network: nn.Module) -> None:
        """Keep a round's choice and the network that its retraining starts from."""
        self._round = opened
        self._saved = None
        state = {f"{_LAST}{name}": value for name, value in network.state_dict().items()}
        self.write(state, {"epochs": []})

    def read(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """The state of the cut-off round's fit, once."""
        saved, self._saved = self._saved, None
        return saved

    def write(self, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, Any]) -> None:
        """Keep the state of the present round's fit."""
        assert self._round is not None
        masks = {f"{_MASK}{name}": mask for name, mask in self._round.masks.items()}
        self._file.write(
            {**tensors, **masks},
            {
                **numbers,
                "before": self._round.before,
                "rounds": list(self._round.done),
                "round": self._round.current,
            },
        )

    def remove(self) -> None:
        """Forget it all, once the result is safely written."""
        self._file.remove()
