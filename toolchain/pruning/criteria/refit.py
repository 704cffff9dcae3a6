"""The compensating update: what stays of a layer's weights is set to make up for what goes."""

from __future__ import annotations

import torch
from torch import nn

from ..units import state_of
from .inputs import LayerInputs
from .readers import grouped

__all__ = ["refit"]

STEPS = 64
"""Steps of conjugate gradients at most;"""
TOLERANCE = 1e-8
"""or until the squared residual has fallen to this share."""
CHUNK = 1 << 23
"""Weights worked on at a time."""


@torch.no_grad()
def refit(
    network: nn.Module,
    layer: str,
    inputs: LayerInputs,
    gone: torch.Tensor,
    free: torch.Tensor,
    absorbing: tuple[str, float] | None,
) -> None:
    """Clear the weights ``gone`` of ``layer`` and move those ``free`` so that its outputs stay.

    Both bool [G, O, n] or to broadcast to it. The change d of each filter minimises d H d^T with d
    = -w where weights go: Optimal Brain Surgeon's update for all of them together (Hassibi, Stork
    1993; the closed form is d_free = w_gone H[gone, free] H[free, free]^-1). It is found by
    conjugate gradients, preconditioned by H's diagonal, for all filters at once, since each filter
    has a system of its own and solving thousands of them is too dear; the error falls with every
    step. ``absorbing`` names the bias that may move as well.
    """
    state = state_of(network)
    tensor = state[f"{layer}.weight"]
    weight = grouped(network, layer, tensor)
    shape = weight.shape
    gone, free = (mask.to(tensor.device).expand(shape) for mask in (gone, free))
    shifts = []
    step = max(1, CHUNK // (shape[0] * shape[2]))
    updated = []
    for start in range(0, shape[1], step):
        rows = slice(start, start + step)
        old = weight[:, rows]
        change = torch.where(gone[:, rows], -old, 0.0)
        moves = free[:, rows]
        if len(inputs.constant):
            change = nn.functional.pad(change, (0, 1))
            moves = nn.functional.pad(moves, (0, 1), value=True)
        change = _solve(inputs, change, moves)
        if len(inputs.constant):
            shifts.append(change[:, :, -1] * inputs.constant[:, None])
            change = change[:, :, :-1]
        updated.append(old + change)
    tensor.copy_(torch.cat(updated, dim=1).reshape(tensor.shape))
    if absorbing is not None and shifts:
        name, sign = absorbing
        state[name].add_(torch.cat(shifts, dim=1).flatten(), alpha=sign)


def _solve(inputs: LayerInputs, change: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
    """Move ``change`` [G, O, n] where ``free`` to the least change H change^T of each row."""
    scale = free / inputs.diagonal()[:, None, :]
    residual = -inputs.times(change) * free
    direction = scale * residual
    power = (residual * direction).sum(-1, keepdim=True)
    enough = TOLERANCE * power
    for _ in range(STEPS):
        if bool((power <= enough).all()):
            break
        image = inputs.times(direction) * free
        curve = (direction * image).sum(-1, keepdim=True)
        length = torch.where(curve > 0, power / curve, 0.0)
        change = change + length * direction
        residual = residual - length * image
        towards = scale * residual
        following = (residual * towards).sum(-1, keepdim=True)
        direction = towards + torch.where(power > 0, following / power, 0.0) * direction
        power = following
    return change
