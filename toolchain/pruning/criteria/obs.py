"""Optimal Brain Surgeon, layer by layer: what a unit's loss costs after the others made up for it.

Hassibi, Stork 1993, with the layer-wise Hessian H = mean of x x^T over the layer's inputs x (Dong
et al. 2017, "Learning to Prune Deep Neural Networks via Layer-wise Optimal Brain Surgeon"). Weight
w_q costs w_q^2 / (2 [H^-1]_qq) of the layer's squared output error. A channel costs every layer
that reads it, with columns C there, the trace of w_C ([H^-1]_CC)^-1 w_C^T / 2 (Frantar, Alistarh
2022, "Optimal Brain Compression", equation 5). Both are divided by the layer's output energy, so
that layers compare. Units are ranked once, each as if it went alone; the compensating update is
then made for all that go together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ....errors import InputError
from ..units import state_of
from .asked import Asked, Worth
from .inputs import Inverse, LayerInputs, layer_inputs
from .readers import Reader, absorb, grouped, readers_by_layer
from .refit import refit_columns, refit_weights

__all__ = ["worth"]


def worth(asked: Asked) -> Worth:
    """Scores as shares of layers' output energies, and the compensating update.

    Raises InputError for channels that no convolution or fully-connected layer reads.
    """
    return _of_weights(asked) if asked.parts[0].elements else _of_channels(asked)


def energy(network: nn.Module, layer: str, inputs: LayerInputs) -> torch.Tensor:
    """Half the mean square of a layer's output, its bias left out, summed over its filters."""
    weight = grouped(network, layer, state_of(network)[f"{layer}.weight"].detach())
    if len(inputs.constant):
        weight = nn.functional.pad(weight, (0, 1))
    return (inputs.times(weight) * weight).sum().double().clamp(min=1e-30) / 2


def _of_weights(asked: Asked) -> Worth:
    layers = [part.name for part in asked.parts]
    absorbing = {name: absorb(asked, name) for name in layers}
    inputs = layer_inputs(asked, layers, [name for name in layers if absorbing[name]])
    state = state_of(asked.network)
    scores = []
    for name in layers:
        weight = grouped(asked.network, name, state[f"{name}.weight"].detach())
        spare = inputs[name].inverse().diagonal()[:, None, : weight.shape[2]]
        cost = weight.square() / (2 * spare * energy(asked.network, name, inputs[name])).float()
        scores.append(cost.flatten())

    def compensate(network: nn.Module, kept: Sequence[torch.Tensor]) -> None:
        for name, stays in zip(layers, kept, strict=True):
            weight = grouped(network, name, state_of(network)[f"{name}.weight"].detach())
            alive = stays.to(weight.device).view(weight.shape)
            free = alive & (weight != 0)
            refit_weights(network, name, inputs[name], ~alive, free, absorbing[name])

    return Worth(scores, compensate)


def _of_channels(asked: Asked) -> Worth:
    behind = readers_by_layer(asked)
    check_read(asked, behind)
    absorbing = {name: absorb(asked, name) for name in behind}
    inputs = layer_inputs(asked, list(behind), [name for name in behind if absorbing[name]])
    scores = [torch.zeros(part.units, dtype=torch.float64) for part in asked.parts]
    state = state_of(asked.network)
    for name, found in behind.items():
        weight = grouped(asked.network, name, state[f"{name}.weight"].detach()).double()
        inverse = inputs[name].inverse()
        whole = 2 * energy(asked.network, name, inputs[name])
        for reader in found:
            units = asked.parts[reader.part].units
            cost = _costs(weight, inverse, reader.columns, units) / whole
            scores[reader.part] += cost.cpu()

    def compensate(network: nn.Module, kept: Sequence[torch.Tensor]) -> None:
        for name, found in behind.items():
            gone, free = _columns(found, kept)
            if bool(gone.any()):
                refit_columns(network, name, inputs[name], gone, free, absorbing[name])

    return Worth(scores, compensate)


def check_read(asked: Asked, behind: dict[str, list[Reader]]) -> None:
    """InputError where nothing that can be refitted reads a part."""
    read = {one.part for found in behind.values() for one in found}
    for index, part in enumerate(asked.parts):
        if index not in read:
            raise InputError(
                f"no convolution or fully-connected layer reads the channels of {part.name}, which "
                "this criterion judges by: choose another one, such as l2"
            )


def _costs(
    weight: torch.Tensor, inverse: Inverse, columns: torch.Tensor, units: int
) -> torch.Tensor:
    """Trace of w_C ([H^-1]_CC)^-1 w_C^T for every unit: float64 [units]."""
    costs = torch.zeros(units, dtype=torch.float64, device=weight.device)
    order = columns.argsort(stable=True)[int((columns < 0).sum()) :]
    widths = torch.bincount(columns[columns >= 0], minlength=units)
    starts = widths.cumsum(0) - widths
    for width in sorted(set(widths[widths > 0].tolist())):
        mine = torch.nonzero(widths == width).flatten()
        chosen = order[starts[mine][:, None] + torch.arange(width)].to(weight.device)
        blocks = inverse.blocks(chosen)  # [G, U, b, b]
        read = weight[:, :, chosen].permute(0, 2, 3, 1)  # [G, U, b, O]
        solved = torch.linalg.solve(blocks, read)
        costs[mine.to(weight.device)] = (solved * read).sum((0, 2, 3))
    return costs


def _columns(
    found: Sequence[Reader], kept: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Bool [n] each: a layer's columns that go, and those that may move; pinned ones do neither."""
    gone = torch.zeros_like(found[0].columns, dtype=torch.bool)
    free = gone.clone()
    for reader in found:
        stays = kept[reader.part].cpu()[reader.columns.clamp(min=0)]
        mine = reader.columns >= 0
        gone |= mine & ~stays
        free |= mine & stays
    return gone, free
