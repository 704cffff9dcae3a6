"""What there is to build engines with and for: which library, which GPUs."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import InputError
from ...runtimes.gpu.driver import Device, first_device
from ...runtimes.trt.callbacks import new_logger
from ...runtimes.trt.compat import Library, load_library, new_builder
from .timings import Timings

__all__ = ["Place", "find_place"]

_ALONE = 75
"""Turing: an engine for it is for nothing else."""


@dataclass(frozen=True)
class Place:
    """A library that can build here, and what its engines are for."""

    library: Library
    device: Device | None
    """The GPU that the engine is for and is built on; None where it is built for ``targets``."""
    targets: tuple[int, ...]

    @property
    def timings(self) -> Timings | None:
        """Where the timings of this library on this GPU are kept, if it has any."""
        if self.device is None or not self.library.keeps_timings:
            return None
        return Timings(self.library.flavour, self.library.version, self.device.name)


def find_place(flavour: str, target_gpu: str) -> Place:
    """The library of ``flavour``, checked to build here for ``target_gpu``.

    ``auto`` is the GPU of this machine; without one, every GPU that the library can build for at
    once. Raises MissingError where the library is not installed or needs a GPU that is not there,
    InputError for a GPU that it cannot build for.
    """
    library = load_library(flavour)
    new_builder(library, new_logger(library, lambda *_: None))
    device = first_device()
    if target_gpu != "auto":
        return _for_target(library, device, int(target_gpu))
    if not library.targets:
        return Place(library, device, ())
    if device is not None and device.capability in library.targets:
        return Place(library, None, (device.capability,))
    if device is not None:
        raise InputError(
            f"{library.title} builds for compute capability "
            f"{', '.join(map(str, library.targets))}; {device.name} has {device.capability}: "
            "say --target-gpu for another machine, or use --flavour tensorrt"
        )
    return Place(library, None, tuple(each for each in library.targets if each != _ALONE))


def _for_target(library: Library, device: Device | None, target: int) -> Place:
    if target in library.targets:
        return Place(library, None, (target,))
    if library.targets:
        raise InputError(
            f"{library.title} cannot build for compute capability {target}; expected one of "
            f"{', '.join(map(str, library.targets))}"
        )
    if device is None or device.capability != target:
        here = f"{device.name} with {device.capability}" if device else "none that CUDA sees"
        raise InputError(
            f"{library.title} builds for the GPU of the machine it runs on, which is {here}; "
            f"run this on the machine with compute capability {target}, or use --flavour rtx"
        )
    return Place(library, device, ())
