"""What layers read: second moments of their inputs, from a sample of the evidence's positions."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .asked import Asked
from .gates import evaluating
from .patches import patches

__all__ = ["LayerInputs", "layer_inputs", "output_energies"]

ROWS = 4096
"""Input vectors sampled for a layer at least, as far as the evidence holds as many;"""
ROWS_PER_COLUMN = 3
"""or this many for each of a vector's entries."""
DAMPING = 0.01
"""Added to the moments' diagonal, as a share of its mean, so that they can be inverted."""


@dataclass(frozen=True)
class LayerInputs:
    """H = mean of x x^T + damping over input vectors x of a layer, for each of its G groups.

    A convolution's x is the patch under its filter, n = in_channels / groups * kH * kW numbers; the
    last column may be a constant that stands for the bias. H is the Hessian of half the layer's
    squared output error with respect to one filter. A layer that has more inputs than there are
    sampled vectors (AlexNet's first fully-connected layer: 9216 against 512) holds the vectors
    themselves: all that is asked of H then comes from [N, n], and no n x n matrix is made.
    """

    moments: torch.Tensor | None
    """float32 [G, n, n], without the damping."""
    rows: torch.Tensor | None
    """float32 [G, N, n] with moments = rows^T rows; None where the moments are held."""
    damping: torch.Tensor
    """float32 [G, 1, 1]"""
    constant: torch.Tensor
    """float32 [G]: value of the constant column; empty where there is none."""

    @property
    def columns(self) -> int:
        """n without the constant column."""
        held = self.moments if self.moments is not None else self.rows
        assert held is not None
        return held.shape[-1] - bool(len(self.constant))

    def times(self, weight: torch.Tensor) -> torch.Tensor:
        """``weight`` [G, O, n] times H."""
        if self.moments is not None:
            return weight @ self.moments + weight * self.damping
        assert self.rows is not None
        return (weight @ self.rows.mT) @ self.rows + weight * self.damping

    def diagonal(self) -> torch.Tensor:
        """H's diagonal: [G, n]."""
        if self.moments is not None:
            bare = self.moments.diagonal(dim1=1, dim2=2)
        else:
            assert self.rows is not None
            bare = self.rows.square().sum(1)
        return bare + self.damping[:, 0]

    def inverse(self) -> Inverse:
        """What can be asked of H's inverse."""
        damping = self.damping.double()
        if self.moments is not None:
            whole = self.moments.double()
            whole.diagonal(dim1=1, dim2=2).add_(damping[:, 0])
            return Inverse(torch.cholesky_inverse(torch.linalg.cholesky(whole)), None, damping)
        assert self.rows is not None
        rows = self.rows.double()
        small = rows @ rows.mT
        small.diagonal(dim1=1, dim2=2).add_(damping[:, 0])
        lower = torch.linalg.cholesky(small)
        return Inverse(None, torch.linalg.solve_triangular(lower, rows, upper=False), damping)

    def made_up(self, weight: torch.Tensor, gone: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
        """What the columns ``free`` (bool [n]) must gain when those numbered ``gone`` go.

        ``weight`` [G, O, len(gone)]; the result, float64 [G, O, free], is weight H[gone, free]
        H[free, free]^-1.
        """
        damping, lost = self.damping.double(), weight.double()
        if self.moments is not None:
            wanted = lost @ self.moments[:, gone][:, :, free].double()
            system = self.moments[:, free][:, :, free].double()
            system.diagonal(dim1=1, dim2=2).add_(damping[:, 0])
            return torch.cholesky_solve(wanted.mT, torch.linalg.cholesky(system)).mT
        assert self.rows is not None
        left = self.rows[:, :, free].double()
        small = left @ left.mT
        small.diagonal(dim1=1, dim2=2).add_(damping[:, 0])
        heard = lost @ self.rows[:, :, gone].double().mT
        return torch.cholesky_solve(heard.mT, torch.linalg.cholesky(small)).mT @ left

    def block(self, first: slice, weight: torch.Tensor) -> torch.Tensor:
        """(W^T W) * moments for the columns ``first`` against all: [G, len(first), n].

        ``weight`` [G, O, n] and the result leave the constant column out.
        """
        columns = self.columns
        pairs = weight[:, :, first].mT @ weight
        if self.moments is not None:
            return pairs * self.moments[:, first, :columns]
        assert self.rows is not None
        return pairs * (self.rows[:, :, first].mT @ self.rows[:, :, :columns])


@dataclass(frozen=True)
class Inverse:
    """H's inverse, whole or as (1 - V^T V) / damping (Woodbury's identity), in float64."""

    whole: torch.Tensor | None
    thin: torch.Tensor | None
    damping: torch.Tensor

    def diagonal(self) -> torch.Tensor:
        """[G, n]"""
        if self.whole is not None:
            return self.whole.diagonal(dim1=1, dim2=2)
        assert self.thin is not None
        return (1 - self.thin.square().sum(1)) / self.damping[:, 0]

    def blocks(self, columns: torch.Tensor) -> torch.Tensor:
        """The blocks at ``columns`` [U, b]: [G, U, b, b]."""
        if self.whole is not None:
            return self.whole[:, columns[:, :, None], columns[:, None, :]]
        assert self.thin is not None
        chosen = self.thin[:, :, columns].transpose(1, 2)
        eye = torch.eye(columns.shape[1], dtype=chosen.dtype, device=chosen.device)
        return (eye - chosen.mT @ chosen) / self.damping[:, None]


def layer_inputs(
    asked: Asked, layers: Sequence[str], with_constant: Collection[str]
) -> dict[str, LayerInputs]:
    """The inputs of ``layers`` (Conv2d or Linear), all from one pass over the evidence.

    They are read in the network as it is: not yet those that earlier layers, once pruned, will
    give.
    """
    assert asked.evidence is not None
    collectors = {
        name: _Collector(
            asked.network.get_submodule(name), asked.evidence.images, asked.seed + index,
            constant=name in with_constant,
        )
        for index, name in enumerate(layers)
    }  # fmt: skip
    hooks = [one.module.register_forward_pre_hook(one) for one in collectors.values()]
    try:
        with evaluating(asked.network), torch.inference_mode():
            for inputs, _ in asked.evidence:
                asked.network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: one.result() for name, one in collectors.items()}


class _Collector:
    """Sums up the inputs of one layer as they pass by."""

    def __init__(self, module: nn.Module, images: int, seed: int, *, constant: bool) -> None:
        self.module = module
        self._constant = constant
        self._images = images
        self._generator = torch.Generator().manual_seed(seed % 2**63)
        self._kept: list[torch.Tensor] = []
        self._sum: torch.Tensor | None = None
        self._seen = 0

    def __call__(self, _module: nn.Module, inputs: tuple[Any, ...]) -> None:
        read = inputs[0]
        assert isinstance(self.module, nn.Conv2d | nn.Linear)
        columns = self.module.weight[0].numel()
        wanted = math.ceil(max(ROWS, ROWS_PER_COLUMN * columns) / self._images)
        rows, each = patches(self.module, read, wanted, self._generator)
        if self._constant:
            rows = torch.cat([rows, torch.ones_like(rows[..., :1])], dim=-1)
        self._seen += rows.shape[1]
        if self._sum is None and self._images * each < columns:
            self._kept.append(rows)
        else:
            products = rows.mT @ rows
            self._sum = products if self._sum is None else self._sum.add_(products)

    def result(self) -> LayerInputs:
        rows = torch.cat(self._kept, dim=1) / math.sqrt(self._seen) if self._kept else None
        moments = self._sum / self._seen if self._sum is not None else None
        diagonal = (
            moments.diagonal(dim1=1, dim2=2).clone()
            if moments is not None
            else rows.square().sum(1)  # type: ignore[union-attr]
        )
        mean = diagonal[:, : -1 if self._constant else None].mean(1).clamp(min=1e-12)
        constant = mean.sqrt() if self._constant else mean[:0]
        if self._constant:
            # As large as the other columns: the damping then weighs on it as on them.
            scale = torch.ones_like(diagonal)
            scale[:, -1] = constant
            if moments is not None:
                moments = moments * scale[:, :, None] * scale[:, None, :]
            if rows is not None:
                rows = rows * scale[:, None, :]
        return LayerInputs(moments, rows, DAMPING * mean[:, None, None], constant)


def output_energies(asked: Asked, layers: Sequence[str]) -> dict[str, torch.Tensor]:
    """Mean squares of what each filter of ``layers`` says, behind its batch-norm: [filters]."""
    assert asked.evidence is not None
    totals: dict[str, torch.Tensor] = {}
    hooks = []
    for name in layers:

        def note(_module: Any, _inputs: Any, output: torch.Tensor, name: str = name) -> None:
            energy = output.double().square().transpose(0, 1).flatten(1).mean(1)
            totals[name] = totals.get(name, 0) + energy

        speaker = asked.structure.norms.get(name, name)
        hooks.append(asked.network.get_submodule(speaker).register_forward_hook(note))
    try:
        with evaluating(asked.network), torch.inference_mode():
            for inputs, _ in asked.evidence:
                asked.network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return totals
