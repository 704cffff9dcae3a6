"""Masks: which parameters stay zero. Applied after every optimiser step, they never come back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...errors import InputError

__all__ = ["Masks"]


class Masks:
    """For each masked tensor of a network's state a 0/1 tensor that it is multiplied with.

    The masks of a saved checkpoint are its zeros: `Masks.from_zeros` finds them again, so a
    pruned checkpoint stays an ordinary checkpoint of the ordinary architecture. Tensors that lose
    nothing are not touched; the others are multiplied in one call (one kernel on a GPU).
    """

    def __init__(self, network: nn.Module, masks: Mapping[str, torch.Tensor]) -> None:
        """``masks``: by name in the state, 1 (or True) where it stays; each is of its tensor's
        shape or broadcasts to it. Raises InputError for a name or a shape that does not fit."""
        state = dict(network.named_parameters()) | dict(network.named_buffers())
        self._tensors: dict[str, torch.Tensor] = {}
        self._masks: list[torch.Tensor] = []
        for name, mask in masks.items():
            if name not in state:
                raise InputError(f"mask '{name}': the network has no tensor of that name")
            tensor = state[name]
            try:
                whole = mask.expand(tensor.shape)
            except RuntimeError:
                raise InputError(
                    f"mask '{name}' has shape {list(mask.shape)}; the network's tensor has "
                    f"{list(tensor.shape)}; it is of another network"
                ) from None
            if bool(whole.all()):
                continue
            # Laid out as the tensor is: both are then read in one sweep.
            self._masks.append(torch.empty_like(tensor, requires_grad=False).copy_(whole.ne(0)))
            self._tensors[name] = tensor

    @torch.no_grad()
    def apply(self) -> None:
        """Zero what is masked, in place."""
        if self._masks:
            torch._foreach_mul_(list(self._tensors.values()), self._masks)

    def kept(self) -> dict[str, torch.Tensor]:
        """By name, bool of each masked tensor's shape: True where it stays."""
        return {name: mask.ne(0) for name, mask in zip(self._tensors, self._masks, strict=True)}

    def zeros(self) -> int:
        """How many entries are masked."""
        return sum(mask.numel() - int(mask.count_nonzero()) for mask in self._masks)

    @classmethod
    def from_zeros(
        cls, network: nn.Module, also: Mapping[str, torch.Tensor] | None = None
    ) -> Masks:
        """The masks of a pruned network, together with ``also``.

        Masked is each weight that is exactly zero, each zero bias whose whole filter or neuron is
        zero, and each batch-norm channel whose scale and shift both are: its running mean too.
        """
        kept: dict[str, torch.Tensor] = {}
        for stem, module in network.named_modules():
            own = {f"{stem}.{name}" if stem else name: p for name, p in _tensors(module).items()}
            kept |= {name: own[name].detach().ne(0) for name in own if own[name].dim() >= 2}
            weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
            if not isinstance(weight, torch.Tensor) or not isinstance(bias, torch.Tensor):
                continue
            prefix = f"{stem}." if stem else ""
            alive = bias.detach().ne(0)
            if isinstance(module, _BatchNorm):
                alive |= weight.detach().ne(0)
                kept |= {f"{prefix}{part}": alive for part in ("weight", "bias", "running_mean")}
            elif isinstance(module, nn.Conv2d | nn.Linear):
                kept[f"{prefix}bias"] = alive | weight.detach().flatten(1).ne(0).any(dim=1)
        for name, mask in (also or {}).items():
            kept[name] = kept[name] & mask.ne(0).to(kept[name].device) if name in kept else mask
        return cls(network, kept)


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return dict(module.named_parameters(recurse=False))
