"""Taylor expansion: a unit is worth the squared first-order change of the loss without it.

Molchanov et al. 2019, "Importance Estimation for Neural Network Pruning", equation 8: the mean over
mini-batches of (sum of gradient times weight)^2, with the labels given; of a filter behind a
batch-norm, over the batch-norm's scale and shift (their section 3.3); of a channel, over all
weights that read it, which is gradient times activation (Molchanov et al. 2017) summed up.
"""

from __future__ import annotations

from .asked import Asked, Worth
from .gates import mean_squared_gates

__all__ = ["worth"]


def worth(asked: Asked) -> Worth:
    """Scores in squared units of the loss; layers compare."""
    return Worth(mean_squared_gates(asked, lambda _logits, labels: labels))
