"""ThiNet: the channels that the next layer misses least, chosen greedily, the rest rescaled.

Luo, Wu, Lin 2017, "ThiNet: A Filter Level Pruning Method for Deep Neural Network Compression". The
next layer's output is a sum over the channels it reads, x_j that of channel j. The set T of
channels to go is grown by the one that makes ||sum of x_j over T||^2 least (equation 6, algorithm
1), then every survivor is scaled by least squares (section 3.2.3), the scale going into the weights
that read it. Where the paper samples outputs, all outputs at sampled positions count here, through
the Gram matrix of the x_j. A layer whose filters others add to, as into a residual stream, has no
next layer of its own: there the filters' own outputs are what is missed, and nothing is rescaled.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..units import state_of
from .asked import Asked, Worth
from .inputs import LayerInputs, layer_inputs, output_energies
from .obs import check_read, energy
from .readers import Reader, grouped, readers_by_layer

__all__ = ["worth"]

CHUNK = 1024
"""Columns of a Gram matrix made at a time."""
DAMPING = 1e-4
"""Added to the diagonal of the Gram matrices in the least squares, as a share of its mean."""


def worth(asked: Asked) -> Worth:
    """Scores as shares of the next layers' output energies, what goes first scoring least.

    Raises InputError for channels that no convolution or fully-connected layer reads.
    """
    behind = readers_by_layer(asked)
    if asked.parts[0].blocks.numel():
        check_read(asked, behind)
    grams = _grams(asked, behind)
    totals: list[torch.Tensor | None] = [None] * len(asked.parts)
    for found, gram in grams.values():
        for reader, start in zip(found, _starts(asked, found), strict=True):
            mine = slice(start, start + asked.parts[reader.part].units)
            share, before = gram[mine, mine], totals[reader.part]
            totals[reader.part] = share.clone() if before is None else before + share
    alone = [part.name for part, total in zip(asked.parts, totals, strict=True) if total is None]
    energies = output_energies(asked, alone) if alone else {}
    scores = [
        _greedy(total if total is not None else _own(energies[part.name]))
        for part, total in zip(asked.parts, totals, strict=True)
    ]

    def compensate(network: nn.Module, kept: Sequence[torch.Tensor]) -> None:
        for name, (found, gram) in grams.items():
            _rescale(network, name, found, _starts(asked, found), gram, kept)

    return Worth(scores, compensate)


def _grams(
    asked: Asked, behind: dict[str, list[Reader]]
) -> dict[str, tuple[list[Reader], torch.Tensor]]:
    """For each layer that reads, the Gram matrix of what it hears from each unit: [units, units].

    Its readers' units follow one another; a share of the layer's output energy.
    """
    inputs = layer_inputs(asked, list(behind), ())
    state = state_of(asked.network)
    grams = {}
    for name, found in behind.items():
        weight = grouped(asked.network, name, state[f"{name}.weight"].detach())
        columns = torch.full_like(found[0].columns, -1)
        for reader, start in zip(found, _starts(asked, found), strict=True):
            columns = torch.where(reader.columns >= 0, reader.columns + start, columns)
        units = sum(asked.parts[reader.part].units for reader in found)
        gram = _gram(inputs[name], weight, columns, units)
        # A layer that hears nothing any more has no energy, and a Gram matrix of zeros.
        whole = (2 * energy(asked.network, name, inputs[name]).cpu()).clamp(min=1e-30)
        grams[name] = (found, gram / whole)
    return grams


def _gram(
    inputs: LayerInputs, weight: torch.Tensor, columns: torch.Tensor, units: int
) -> torch.Tensor:
    """Inner products over sampled positions and outputs of the units' shares: [units, units]."""
    gram = torch.zeros(units, units, dtype=torch.float64)
    mine = torch.nonzero(columns >= 0).flatten()
    for start in range(0, inputs.columns, CHUNK):
        chunk = slice(start, min(start + CHUNK, inputs.columns))
        block = inputs.block(chunk, weight).sum(0).cpu()
        across = torch.zeros(len(block), units, dtype=torch.float64).index_add_(
            1, columns[mine], block[:, mine].double()
        )
        here = columns[chunk]
        gram.index_add_(0, here[here >= 0], across[here >= 0])
    return gram


def _greedy(gram: torch.Tensor) -> torch.Tensor:
    """The squared loss once a unit went, in the order in which they go: float64 [units]."""
    alone = gram.diagonal().clone()
    with_gone = torch.zeros_like(alone)
    scores = torch.empty_like(alone)
    loss, score = 0.0, 0.0
    for _ in range(len(alone)):
        after = alone + 2 * with_gone
        chosen = int(after.argmin())
        loss += float(after[chosen])
        # Losses may cancel; the order must not. Zero channels all score zero.
        score = max(loss, score * (1 + 1e-9) + (1e-12 if score or loss > 0 else 0.0))
        scores[chosen] = score
        with_gone += gram[:, chosen]
        alone[chosen] = torch.inf
    return scores


def _own(energies: torch.Tensor) -> torch.Tensor:
    """The Gram matrix of filters that only their own outputs miss."""
    return torch.diag(energies.cpu() / energies.sum().cpu().clamp(min=1e-30))


def _starts(asked: Asked, found: Sequence[Reader]) -> list[int]:
    """Where the units of each reader's part begin among the layer's."""
    starts = [0]
    for reader in found[:-1]:
        starts.append(starts[-1] + asked.parts[reader.part].units)
    return starts


@torch.no_grad()
def _rescale(
    network: nn.Module,
    name: str,
    found: Sequence[Reader],
    starts: Sequence[int],
    gram: torch.Tensor,
    kept: Sequence[torch.Tensor],
) -> None:
    """Scale the surviving columns of a layer so that they miss the least of what goes."""
    stays = torch.cat([kept[reader.part].cpu() for reader in found])
    if bool(stays.all()):
        return
    alive, gone = torch.nonzero(stays).flatten(), torch.nonzero(~stays).flatten()
    system = gram[alive][:, alive]
    system.diagonal().add_(DAMPING * system.diagonal().mean().clamp(min=1e-12))
    missed = gram[alive][:, gone].sum(1)
    change = torch.zeros(len(stays), dtype=torch.float64)
    change[alive] = torch.linalg.solve(system, missed)
    tensor = state_of(network)[f"{name}.weight"]
    weight = grouped(network, name, tensor)
    scale = torch.ones(weight.shape[2], dtype=torch.float64)
    for reader, start in zip(found, starts, strict=True):
        mine = reader.columns >= 0
        scale[mine] += change[reader.columns[mine] + start]
    tensor.copy_((weight * scale.to(weight)).reshape(tensor.shape))
