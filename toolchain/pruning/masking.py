"""From units that stay to masks over a network's state."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .structure import Structure
from .units import Part, state_of

__all__ = ["masks_of"]


def masks_of(
    network: nn.Module, structure: Structure, parts: Sequence[Part], kept: Sequence[torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Masks by state_dict name: bool, of the tensor's shape or to broadcast to it."""
    state = state_of(network)
    masks: dict[str, torch.Tensor] = {}
    for part, alive in zip(parts, kept, strict=True):
        for one in part.slices:
            mask = one.mask(alive, state[one.tensor].shape).to(state[one.tensor].device)
            masks[one.tensor] = masks[one.tensor] & mask if one.tensor in masks else mask
    if any(part.elements for part in parts):
        _empty_filters(structure, masks, state)
        _unconnected_neurons(structure, masks, state)
    return masks


def _empty_filters(
    structure: Structure, masks: dict[str, torch.Tensor], state: dict[str, torch.Tensor]
) -> None:
    """A filter that lost every weight loses its bias and batch-norm entries."""
    for name in structure.convolutions:
        mask = masks.get(f"{name}.weight")
        if mask is None or mask.shape != state[f"{name}.weight"].shape:
            continue
        alive = mask.flatten(1).any(dim=1)
        if bool(alive.all()) or name in structure.outputs:
            continue
        norm = structure.norms.get(name)
        followers = [f"{norm}.{one}" for one in ("weight", "bias", "running_mean") if norm]
        for follower in (f"{name}.bias", *followers):
            if follower in state:
                masks[follower] = alive


def _unconnected_neurons(
    structure: Structure, masks: dict[str, torch.Tensor], state: dict[str, torch.Tensor]
) -> None:
    """A neuron without inputs or outputs left loses what it still has, and so on along a chain."""
    changed = True
    while changed:
        changed = False
        for first, second in structure.chains:
            into, out = masks.get(f"{first}.weight"), masks.get(f"{second}.weight")
            if into is None or out is None:
                continue
            alive = into.any(dim=1) & out.any(dim=0)
            masks[f"{first}.weight"] = into & alive[:, None]
            masks[f"{second}.weight"] = out & alive[None, :]
            if f"{first}.bias" in state:
                masks[f"{first}.bias"] = alive
            changed |= bool((masks[f"{first}.weight"] != into).any())
            changed |= bool((masks[f"{second}.weight"] != out).any())
