"""The batch-norm's scale: a filter or channel is worth the magnitude of what multiplies it.

Liu et al. 2017, "Learning Efficient Convolutional Networks through Network Slimming". Of a channel
with several batch-norms the mean. Layers without a batch-norm have nothing to compare and stay
whole.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ....errors import InputError
from ..units import Part, state_of
from .asked import Asked, Worth

__all__ = ["worth"]


def worth(asked: Asked) -> Worth:
    """Scores without unit; infinite for what no batch-norm scales.

    Raises InputError where no batch-norm scales any part.
    """
    scales = _scales(asked.network)
    state = state_of(asked.network)

    def of(part: Part) -> torch.Tensor:
        total = torch.zeros(part.units, dtype=torch.float64)
        count = torch.zeros(part.units, dtype=torch.float64)
        for one in part.slices:
            if one.tensor in scales:
                scale = state[one.tensor].detach().abs()
                total += one.sums(scale, part.units)
                count += one.sums(torch.ones_like(scale), part.units)
        return torch.where(count > 0, total / count, torch.inf)

    scores = [of(part) for part in asked.parts]
    if all(bool(score.isinf().all()) for score in scores):
        raise InputError(
            "criterion 'bn-scale' found no batch-norm behind the layers to prune; expected one: "
            "choose another criterion (l2 needs none)"
        )
    return Worth(scores)


def _scales(network: nn.Module) -> set[str]:
    return {
        f"{name}.weight"
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.affine
    }
