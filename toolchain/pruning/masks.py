"""Masks: which parameters stay zero. Applied after every optimiser step, they never come back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from .structure import Structure, weight_of

__all__ = ["Masks"]


class Masks:
    """For each masked tensor of a network's state a 0/1 tensor that it is multiplied with.

    The masks of a saved checkpoint are its zeros: `Masks.from_zeros` finds them again, so a
    pruned checkpoint stays an ordinary checkpoint of the ordinary architecture.
    """

    def __init__(self, network: nn.Module, masks: Mapping[str, torch.Tensor]) -> None:
        state = dict(network.named_parameters()) | dict(network.named_buffers())
        self._pairs = [
            (state[name], mask.to(state[name].device, state[name].dtype))
            for name, mask in masks.items()
        ]

    @torch.no_grad()
    def apply(self) -> None:
        """Zero what is masked, in place."""
        for tensor, mask in self._pairs:
            tensor.mul_(mask)

    @classmethod
    def from_kept(
        cls, network: nn.Module, structure: Structure, kept: Mapping[str, torch.Tensor]
    ) -> Masks:
        """Masks from what each layer keeps: bool [out_channels] or bool of the weight's shape.

        A filter takes its bias and its batch-norm's scale, shift and running mean with it, so
        that the dead channel is exactly zero. A neuron that no weight reaches loses its bias and
        what it feeds; a neuron that feeds nothing loses its weights and bias.
        """
        masks: dict[str, torch.Tensor] = {}
        linears = {name: mask.clone() for name, mask in kept.items() if mask.dim() == 2}
        alive = _drop_unconnected(linears, structure)
        for name, mask in kept.items():
            module = network.get_submodule(name)
            filters = mask if mask.dim() == 1 else alive.get(name)
            if mask.dim() == 1:
                masks[f"{name}.weight"] = mask.view(-1, *[1] * (weight_of(network, name).dim() - 1))
            else:
                masks[f"{name}.weight"] = linears[name]
            if filters is None:
                continue
            if module.bias is not None:
                masks[f"{name}.bias"] = filters
            if (norm := structure.norms.get(name)) is not None:
                masks |= {f"{norm}.{part}": filters for part in ("weight", "bias", "running_mean")}
        return cls(network, masks)

    @classmethod
    def from_zeros(cls, network: nn.Module, structure: Structure) -> Masks:
        """The masks of a pruned network: filters and single weights that are exactly zero."""
        kept = {
            name: weight_of(network, name).detach().flatten(1).ne(0).any(dim=1)
            for name in structure.convolutions
        }
        kept |= {name: weight_of(network, name).detach().ne(0) for name in structure.linears}
        return cls.from_kept(network, structure, kept)


def _drop_unconnected(
    linears: dict[str, torch.Tensor], structure: Structure
) -> dict[str, torch.Tensor]:
    """Clear, in place, rows and columns of neurons without inputs or outputs; who stays alive."""
    alive = {}
    changed = True
    while changed:
        changed = False
        for first, second in structure.chains:
            if first not in linears or second not in linears:
                continue
            lives = linears[first].any(dim=1) & linears[second].any(dim=0)
            alive[first] = lives
            before = int(linears[first].sum()) + int(linears[second].sum())
            linears[first] &= lives[:, None]
            linears[second] &= lives[None, :]
            changed |= before != int(linears[first].sum()) + int(linears[second].sum())
    return alive
