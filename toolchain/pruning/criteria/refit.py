"""The compensating update: what stays of a layer's weights is set to make up for what goes.

The change d of each filter minimises d H d^T with d = -w where weights go: Optimal Brain Surgeon's
update for all of them together (Hassibi, Stork 1993), which is d_free = w_gone H[gone, free]
H[free, free]^-1 on the weights that may move.
"""

from __future__ import annotations

import torch
from torch import nn

from ..units import state_of
from .inputs import LayerInputs
from .readers import grouped

__all__ = ["refit_columns", "refit_weights"]

STEPS = 16
"""Steps of conjugate gradients at most;"""
TOLERANCE = 1e-8
"""or until the squared residual has fallen to this share."""
CHUNK = 1 << 23
"""Weights worked on at a time."""

Absorbing = tuple[str, float] | None
"""The name of the bias that may move as well, and with which sign."""


@torch.no_grad()
def refit_columns(
    network: nn.Module,
    layer: str,
    inputs: LayerInputs,
    gone: torch.Tensor,
    free: torch.Tensor,
    absorbing: Absorbing,
) -> None:
    """Clear the columns ``gone`` of every filter and move those ``free``, both bool [n], exactly.

    All filters share one system, solved by Cholesky's factors in float64.
    """
    tensor = state_of(network)[f"{layer}.weight"]
    weight = grouped(network, layer, tensor)
    gone, free = gone.to(tensor.device), free.to(tensor.device)
    moves = nn.functional.pad(free, (0, len(inputs.constant) and 1), value=True)
    change = inputs.made_up(weight[:, :, gone], torch.nonzero(gone).flatten(), moves)
    moved = torch.zeros(*weight.shape[:2], len(moves), dtype=weight.dtype, device=weight.device)
    moved[:, :, moves] = change.to(weight.dtype)
    _write(network, layer, inputs, weight.masked_fill(gone, 0), moved, absorbing)


@torch.no_grad()
def refit_weights(
    network: nn.Module,
    layer: str,
    inputs: LayerInputs,
    gone: torch.Tensor,
    free: torch.Tensor,
    absorbing: Absorbing,
) -> None:
    """Clear the single weights ``gone`` and move those ``free``, both bool [G, O, n].

    Each filter has a system of its own, and thousands of them are too dear to solve: conjugate
    gradients, preconditioned by H's diagonal, take a few steps for all of them at once. The error
    falls with every step.
    """
    tensor = state_of(network)[f"{layer}.weight"]
    weight = grouped(network, layer, tensor)
    moved = []
    step = max(1, CHUNK // (weight.shape[0] * weight.shape[2]))
    for start in range(0, weight.shape[1], step):
        rows = slice(start, start + step)
        change = torch.where(gone[:, rows], -weight[:, rows], 0.0)
        moves = free[:, rows]
        if len(inputs.constant):
            change = nn.functional.pad(change, (0, 1))
            moves = nn.functional.pad(moves, (0, 1), value=True)
        moved.append(_solve(inputs, change, moves))
    _write(network, layer, inputs, weight, torch.cat(moved, dim=1), absorbing)


def _write(
    network: nn.Module,
    layer: str,
    inputs: LayerInputs,
    weight: torch.Tensor,
    moved: torch.Tensor,
    absorbing: Absorbing,
) -> None:
    state = state_of(network)
    tensor = state[f"{layer}.weight"]
    tensor.copy_((weight + moved[:, :, : inputs.columns]).reshape(tensor.shape))
    if absorbing is not None and len(inputs.constant):
        name, sign = absorbing
        shift = moved[:, :, -1] * inputs.constant[:, None]
        state[name].add_(shift.flatten(), alpha=sign)


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
