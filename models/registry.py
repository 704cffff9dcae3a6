"""The table of networks: adding one is a file beside this and a line here."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ARCHITECTURES", "Architecture", "build", "find"]

LARGEST_SIZE = 1024


@dataclass(frozen=True)
class Architecture:
    """A network by name: the module that builds it and the image sizes it takes."""

    module: str
    title: str
    smallest_size: int
    default_size: int | None
    """Pixels a side; None means the data set's own size."""
    channels_last_on_cpu: bool = False
    """Whether a training step on CPU gains from it (MobileNetV2 a fifth; ShuffleNetV2 loses it)."""

    def check_size(self, height: int, width: int) -> None:
        """Raise InputError where images of this size are too small or too large for the network."""
        if not (self.smallest_size <= min(height, width) and max(height, width) <= LARGEST_SIZE):
            raise InputError(
                f"image size {height}x{width}: {self.title} takes {self.smallest_size} to "
                f"{LARGEST_SIZE} pixels a side; choose another --image-size"
            )


ARCHITECTURES: dict[str, Architecture] = {
    "alexnet": Architecture("alexnet", "AlexNet", smallest_size=63, default_size=224),
    "mobilenet": Architecture(
        "mobilenet", "MobileNetV2", smallest_size=16, default_size=None, channels_last_on_cpu=True
    ),
    "shufflenet": Architecture(
        "shufflenet", "ShuffleNetV2 x1.0", smallest_size=16, default_size=None
    ),
}


def find(name: str) -> Architecture:
    """The architecture called ``name``; InputError, naming the nearest, where there is none."""
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(name.lower(), ARCHITECTURES, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(
            f"unknown architecture '{name}': expected one of {', '.join(ARCHITECTURES)}{hint}"
        )
    return ARCHITECTURES[name]


def build(
    name: str, num_classes: int = 10, in_channels: int = 3, *, regularisation: bool = True
) -> nn.Module:
    """A freshly initialised network for float32 images [N, in_channels, H, W].

    It returns logits [N, num_classes]; without ``regularisation`` it has neither Dropout nor
    BatchNorm. Raises InputError for an unknown name.
    """
    architecture = find(name)
    module = importlib.import_module(f".{architecture.module}", __package__)
    network: nn.Module = module.build(num_classes=num_classes, in_channels=in_channels)
    if not regularisation:
        from .unregularised import without_regularisation

        return without_regularisation(network)
    return network
