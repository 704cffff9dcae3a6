"""Which layers belong together: a convolution and its batch-norm, chains of neurons."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx, nn

from ...errors import InputError

__all__ = ["Structure", "read_structure"]

_ELEMENTWISE = (nn.ReLU, nn.ReLU6, nn.Dropout, nn.Hardtanh, nn.Identity)
"""Layers between two fully-connected ones that leave a zero at zero."""


@dataclass(frozen=True)
class Structure:
    """Names of the layers that pruning touches.

    ``norms`` maps a convolution to the batch-norm that reads it and nothing else does; ``chains``
    holds pairs of fully-connected layers with only element-wise layers between them; ``outputs``
    are the layers that no other layer follows: they make what the network answers.
    """

    convolutions: tuple[str, ...]
    linears: tuple[str, ...]
    norms: dict[str, str]
    chains: tuple[tuple[str, str], ...]
    outputs: frozenset[str] = frozenset()


def read_structure(network: nn.Module) -> Structure:
    """Trace ``network`` symbolically and read its layers off; InputError where it cannot be."""
    try:
        graph = fx.symbolic_trace(network).graph
    except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
        raise InputError(f"cannot trace the network ({error}); it branches on its data") from error
    modules = dict(network.named_modules())
    calls = [node for node in graph.nodes if node.op == "call_module"]
    norms = {}
    chains = []
    for node in calls:
        name, module = str(node.target), modules[str(node.target)]
        if isinstance(module, nn.Conv2d):
            user = _only_user(node)
            if user is not None and isinstance(modules[str(user.target)], nn.BatchNorm2d):
                norms[name] = str(user.target)
        elif isinstance(module, nn.Linear):
            user = _only_user(node)
            while user is not None and isinstance(modules[str(user.target)], _ELEMENTWISE):
                user = _only_user(user)
            if user is not None and isinstance(modules[str(user.target)], nn.Linear):
                chains.append((name, str(user.target)))
    return Structure(
        convolutions=_of(nn.Conv2d, calls, modules),
        linears=_of(nn.Linear, calls, modules),
        norms=norms,
        chains=tuple(chains),
        outputs=_outputs(graph, modules),
    )


def _of(
    kind: type[nn.Module], calls: list[fx.Node], modules: dict[str, nn.Module]
) -> tuple[str, ...]:
    names = (str(node.target) for node in calls if isinstance(modules[str(node.target)], kind))
    return tuple(dict.fromkeys(names))


def _outputs(graph: fx.Graph, modules: dict[str, nn.Module]) -> frozenset[str]:
    """Convolutions and fully-connected layers with no other one after them."""
    followed: set[fx.Node] = set()
    last = set()
    for node in reversed(graph.nodes):
        follows = any(user in followed for user in node.users)
        layer = node.op == "call_module" and isinstance(
            modules[str(node.target)], (nn.Conv2d, nn.Linear)
        )
        if layer and not follows:
            last.add(str(node.target))
        if layer or follows:
            followed.add(node)
    return frozenset(last)


def _only_user(node: fx.Node) -> fx.Node | None:
    """The one module call that reads ``node``; None where there are several or it is no module."""
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].op == "call_module" else None


def weight_of(network: nn.Module, layer: str) -> torch.Tensor:
    """The weight tensor of the layer called ``layer``."""
    weight = network.get_submodule(layer).weight
    assert isinstance(weight, torch.Tensor)
    return weight
