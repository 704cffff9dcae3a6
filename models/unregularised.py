"""A network without its Dropout and BatchNorm layers, for training that is meant to overfit."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

__all__ = ["without_regularisation"]


def without_regularisation(network: nn.Module) -> nn.Module:
    """Take every Dropout and BatchNorm out of ``network``, in place; it is returned.

    An identity without parameters keeps each one's place, so the other layers keep their names.
    Convolutions that left their shift to a batch-norm get a bias, zero at first. Freshly built,
    such a network hardly trains: `nnc.toolchain.training.initialise` prepares it.
    """
    for name, module in list(network.named_modules()):
        if isinstance(module, (_BatchNorm, _DropoutNd)):
            network.set_submodule(name, nn.Identity())
        elif isinstance(module, nn.Conv2d) and module.bias is None:
            zeros = torch.zeros(module.out_channels, device=module.weight.device)
            module.bias = nn.Parameter(zeros)
    return network
