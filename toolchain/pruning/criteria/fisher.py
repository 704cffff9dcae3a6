"""Optimal Brain Damage with the diagonal Fisher information in place of the Hessian.

LeCun, Denker, Solla 1990: without weight w the loss rises by h w^2 / 2, h the Hessian's diagonal.
The Fisher information F stands for h: the two agree where the network predicts its data's
distribution (Martens 2020, "New Insights and Perspectives on the Natural Gradient Method"). Of a
filter or channel it is the Fisher information of a gate that scales all it says (Theis et al. 2018,
"Faster gaze prediction with dense networks and Fisher pruning", equation 9), so that correlations
inside of it count.

The labels are drawn from the network's own predictions. That is the Fisher information itself, not
the empirical one of the given labels, which vanishes on a network that has learnt its training set
by heart (Kunstner et al. 2019); and it makes one gradient a mini-batch enough: the gradients of
single images then have mean zero and are independent, so B times the square of a batch's mean
gradient has the mean of the single squares as its expectation. Per-image gradients are not needed.
"""

from __future__ import annotations

import torch

from .asked import Asked, Worth
from .gates import mean_squared_gates

__all__ = ["worth"]


def worth(asked: Asked) -> Worth:
    """Scores in units of the loss; layers compare."""
    generator = torch.Generator().manual_seed(asked.seed)
    sizes = []

    def drawn(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        sizes.append(len(labels))
        odds = logits.softmax(dim=1).cpu()
        return torch.multinomial(odds, 1, generator=generator).flatten().to(labels.device)

    squares = mean_squared_gates(asked, drawn)
    batch = sum(sizes) / len(sizes)
    return Worth([0.5 * batch * square for square in squares])
