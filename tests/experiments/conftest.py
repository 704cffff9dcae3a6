"""A network small enough that a whole study of it takes seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from torch import nn

from nnc.model_card import InputSpec
from nnc.models.registry import ARCHITECTURES, Architecture
from nnc.toolchain.pruning.traced import Traced

NAME = "small"


def _build(num_classes: int, in_channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, 10, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(10),
        nn.ReLU(),
        nn.Conv2d(10, 20, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(20),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(20, num_classes),
    )


@pytest.fixture(scope="session")
def small() -> Iterator[str]:
    """Its name among the architectures; it is traced once, which depends on no weight."""
    module = ModuleType(f"nnc.models.{NAME}")
    module.build = _build  # type: ignore[attr-defined]
    traced: dict[tuple[object, bool], Traced] = {}
    trace = Traced.of.__func__  # type: ignore[attr-defined]

    def of(cls: type[Traced], network: nn.Module, spec: InputSpec) -> Traced:
        if not isinstance(network, nn.Sequential):  # another folder's
            return trace(cls, network, spec)  # type: ignore[no-any-return]
        key = spec, "1.weight" in network.state_dict()
        if key not in traced:
            traced[key] = trace(cls, network, spec)
        return traced[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, module.__name__, module)
        patch.setitem(ARCHITECTURES, NAME, Architecture(NAME, "Small", 8, 12))
        patch.setattr(Traced, "of", classmethod(of))
        yield NAME
