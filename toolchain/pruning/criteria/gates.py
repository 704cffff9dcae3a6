"""How the loss answers when a unit is switched off a little: one gradient pass over the evidence.

Multiply everything a unit says by a gate m that stands at 1. By the chain rule dL/dm is the sum of
weight times gradient over the weights through which the unit speaks: the weight itself; a filter's
weights and bias, or its batch-norm's scale and shift; all weights that read a channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ..units import Part, Slices, state_of
from .asked import Asked

__all__ = ["evaluating", "mean_squared_gates"]

Targets = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From a batch's logits [B, classes] and its labels [B] to the labels to take the loss against."""


def mean_squared_gates(asked: Asked, targets: Targets) -> list[torch.Tensor]:
    """The mean over batches of (dL/dm)^2 for every unit, L a batch's mean cross-entropy.

    The network computes in evaluation mode, so its batch-norm statistics stay; its parameters and
    their ``grad`` are left as they are.
    """
    assert asked.evidence is not None
    state = state_of(asked.network)
    speaks = [_speaks(part, state) for part in asked.parts]
    names = sorted({one.tensor for slices in speaks for one in slices})
    tensors = [state[name] for name in names]
    totals: list[torch.Tensor] = [torch.zeros(())] * len(speaks)
    batches = 0
    with evaluating(asked.network), _learning(tensors):
        for inputs, labels in asked.evidence:
            logits = asked.network(inputs)
            loss = nn.functional.cross_entropy(logits, targets(logits.detach(), labels))
            found = torch.autograd.grad(loss, tensors, allow_unused=True)
            with torch.no_grad():
                products = {
                    name: torch.zeros_like(tensor) if grad is None else tensor * grad
                    for name, tensor, grad in zip(names, tensors, found, strict=True)
                }
                for index, (part, slices) in enumerate(zip(asked.parts, speaks, strict=True)):
                    sums = [one.sums(products[one.tensor], part.units) for one in slices]
                    gate = sums[0] if len(sums) == 1 else torch.stack(sums).sum(0)
                    totals[index] = totals[index].to(gate.device) + gate.square()
            batches += 1
    return [total / batches for total in totals]


def _speaks(part: Part, state: dict[str, torch.Tensor]) -> list[Slices]:
    """The slices through which all that a unit says must pass, each once."""
    readers = [one for one in part.slices if one.role == "reads"]
    if len(part.blocks) and readers:
        return readers
    if part.elements:
        return list(part.slices)
    norms = [one for one in part.slices if one.role == "scales" and _learns(state[one.tensor])]
    return norms or [one for one in part.slices if one.role == "makes"]


def _learns(tensor: torch.Tensor) -> bool:
    return isinstance(tensor, nn.Parameter)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, every module's own mode again afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _learning(tensors: list[torch.Tensor]) -> Iterator[None]:
    """Gradients for ``tensors``, frozen or not."""
    frozen = [tensor for tensor in tensors if not tensor.requires_grad]
    for tensor in frozen:
        tensor.requires_grad_(True)
    try:
        with torch.enable_grad():
            yield
    finally:
        for tensor in frozen:
            tensor.requires_grad_(False)
