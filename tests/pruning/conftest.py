"""A network small enough to be trained, traced and pruned in a second or two."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from nnc.model_card import InputSpec
from nnc.models.registry import ARCHITECTURES, Architecture
from nnc.toolchain.data import DataSet
from nnc.toolchain.pruning.traced import Traced
from nnc.toolchain.training import TrainSettings
from nnc.toolchain.training.train import train

NAME = "tiny"


class Tiny(nn.Module):
    """Convolutions with a residual and a depthwise one among them, two fully-connected layers."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, 16, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(16)
        self.branch = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.branch_norm = nn.BatchNorm2d(16)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(16)
        self.last = nn.Conv2d(16, 32, 1)
        self.act = nn.ReLU()
        self.hidden = nn.Linear(32, 24)
        self.out = nn.Linear(24, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.first_norm(self.first(x)))
        x = self.act(x + self.branch_norm(self.branch(x)))
        x = self.act(self.depthwise_norm(self.depthwise(x)))
        x = self.act(self.last(x)).mean((2, 3))
        return self.out(self.act(self.hidden(x)))


@pytest.fixture(scope="session")
def tiny() -> Iterator[str]:
    """The name that `Tiny` is registered under."""
    module = ModuleType(f"nnc.models.{NAME}")
    module.build = Tiny  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    ARCHITECTURES[NAME] = Architecture(NAME, "Tiny", smallest_size=8, default_size=12)
    yield NAME
    del ARCHITECTURES[NAME], sys.modules[module.__name__]


@pytest.fixture(autouse=True, scope="session")
def traced_once(tiny: str) -> Iterator[None]:
    """Tracing takes seconds and depends on no weight: `Tiny` is traced once for all tests."""
    made: dict[object, Traced] = {}
    trace = Traced.of.__func__  # type: ignore[attr-defined]

    def of(cls: type[Traced], network: nn.Module, spec: InputSpec) -> Traced:
        if not isinstance(network, Tiny):
            return trace(cls, network, spec)  # type: ignore[no-any-return]
        if spec not in made:
            made[spec] = trace(cls, network, spec)
        return made[spec]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Traced, "of", classmethod(of))
        yield


@pytest.fixture(scope="session")
def checkpoint(tiny: str, tmp_path_factory: pytest.TempPathFactory, small_data: DataSet) -> Path:
    """A trained `Tiny`."""
    path = tmp_path_factory.mktemp("trained") / "ref.safetensors"
    settings = TrainSettings.from_recipe(tiny, epochs=4, batch_size=20, device="cpu")
    train(settings, small_data, path)
    return path
