"""Selection: every unit that can go is scored once, then any fraction of them can be taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from ...errors import InputError
from ...exporters.channels import ChannelGroups
from .choice import Choice
from .criteria import CRITERIA
from .criteria.asked import Asked, Worth
from .evidence import Evidence
from .masking import masks_of
from .methods import METHODS
from .structure import Structure
from .taking import Ranking, rounded, take
from .units import Part, state_of

__all__ = ["Choice", "Kept", "NoPartError", "Scored", "score"]


class NoPartError(InputError):
    """A part is named that the network does not have."""


def score(
    network: nn.Module,
    choice: Choice,
    structure: Structure,
    groups: ChannelGroups | None = None,
    evidence: Evidence | None = None,
) -> Scored:
    """Score everything in ``network`` that ``choice`` lets go.

    ``groups`` are needed where ``choice.needs_groups``, ``evidence`` where ``choice.needs_images``;
    the network and its batch-norm statistics are left as they are. Raises InputError where there
    is nothing to prune or a weight is not a finite number.
    """
    criterion = CRITERIA[choice.criterion]
    if criterion.needs_images and evidence is None:
        raise ValueError(f"criterion '{choice.criterion}' needs evidence")
    if choice.needs_groups and groups is None:
        raise ValueError(f"method '{choice.method}' by '{choice.criterion}' needs channel groups")
    _check_finite(network)
    parts = METHODS[choice.method].parts(network, structure, groups)
    if not parts:
        raise InputError(
            f"nothing to prune: method '{choice.method}' found no layer in this network that it "
            "can take from"
        )
    worth = criterion.worth(Asked(network, parts, structure, groups, evidence, choice.seed))
    return Scored(network, choice, structure, parts, worth)


def _check_finite(network: nn.Module) -> None:
    for name, tensor in state_of(network).items():
        # One sweep without a copy; NaN is both the least and the greatest.
        if tensor.is_floating_point() and tensor.numel():
            ends = torch.stack(tensor.detach().aminmax())
            if not bool(ends.isfinite().all()):
                raise InputError(
                    f"{name} holds NaN or infinity; expected finite weights: train the network "
                    "again"
                )


class Scored:
    """The scores of one round; `keep` is cheap next to making them."""

    def __init__(
        self,
        network: nn.Module,
        choice: Choice,
        structure: Structure,
        parts: list[Part],
        worth: Worth,
    ) -> None:
        self._choice = choice
        self._structure = structure
        self._parts = parts
        self._worth = worth
        self._sizes = [part.sizes(network) for part in parts] if choice.scope == "global" else []

    @property
    def parts(self) -> dict[str, int]:
        """Part to its number of units: a layer's name, or that of the first of its family."""
        return {part.name: part.units for part in self._parts}

    @property
    def scores(self) -> dict[str, torch.Tensor]:
        """Part to the scores of its units [units]; what scores least goes first."""
        return dict(zip(self.parts, self._worth.scores, strict=True))

    def keep(self, fractions: float | Mapping[str, float]) -> Kept:
        """What stays when a fraction of every part goes, or a fraction of each part named.

        Parts that a mapping leaves out stay whole. Under the global scope it is the fraction of
        all weights that can go, and a mapping is refused. At least one unit of every part stays,
        and one of every block. What is zero already goes first. Raises InputError for a fraction
        outside [0, 1) or a part that there is not.
        """
        if self._choice.scope == "global":
            kept = self._ranking.take(self._checked_global(fractions))
        else:
            fraction_of = self._checked(fractions)
            kept = [
                take(part, scores, fraction_of[part.name])
                for part, scores in zip(self._parts, self._worth.scores, strict=True)
            ]
        kept = [
            rounded(part, scores, alive, self._choice.round_to)
            for part, scores, alive in zip(self._parts, self._worth.scores, kept, strict=True)
        ]
        return Kept(self._structure, self._parts, kept, self._worth)

    @cached_property
    def _ranking(self) -> Ranking:
        return Ranking(
            self._parts, self._worth.scores, self._sizes, CRITERIA[self._choice.criterion].absolute
        )

    def _checked_global(self, fractions: float | Mapping[str, float]) -> float:
        if isinstance(fractions, Mapping):
            raise InputError(
                "a sensitivity for each layer with scope 'global'; expected one for all of them, "
                "or scope 'layer'"
            )
        return next(iter(self._checked(fractions).values()))

    def _checked(self, fractions: float | Mapping[str, float]) -> dict[str, float]:
        if isinstance(fractions, Mapping):
            if unknown := sorted(set(fractions) - set(self.parts)):
                raise NoPartError(
                    f"'{unknown[0]}' is no part of this network under method "
                    f"'{self._choice.method}'; there are {', '.join(list(self.parts)[:4])}, …"
                )
            given = {name: float(fractions.get(name, 0.0)) for name in self.parts}
        else:
            given = dict.fromkeys(self.parts, float(fractions))
        for name, fraction in given.items():
            if not 0 <= fraction < 1:
                raise InputError(
                    f"sensitivity {fraction:g} for {name}: expected a fraction from 0 up to, not "
                    "including, 1"
                )
        return given


@dataclass(frozen=True)
class Kept:
    """What stays of every part."""

    structure: Structure
    units: list[Part]
    alive: list[torch.Tensor]
    worth: Worth

    @property
    def counts(self) -> dict[str, int]:
        """Part to the number of its units that stay."""
        return {
            part.name: int(alive.sum()) for part, alive in zip(self.units, self.alive, strict=True)
        }

    def masks(self, network: nn.Module) -> dict[str, torch.Tensor]:
        """Masks by state_dict name: bool, of the tensor's shape or to broadcast to it.

        A filter takes its bias and its batch-norm's scale, shift and running mean along, so that
        the dead channel is exactly zero; a neuron left without inputs or outputs goes too.
        """
        return masks_of(network, self.structure, self.units, self.alive)

    def compensate(self, network: nn.Module) -> None:
        """Let the survivors make up for what goes, in place; call it before the masks.

        Does something for criteria that know how (obs, thinet), nothing for the others.
        """
        if self.worth.compensate is not None:
            self.worth.compensate(network, self.alive)
