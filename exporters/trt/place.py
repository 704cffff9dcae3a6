"""What there is to build engines with and for: which library, which GPUs."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ...errors import InputError, MissingError, NncError
from ...runtimes.gpu.driver import Device, first_device
from ...runtimes.trt import compat
from ...runtimes.trt.callbacks import new_logger
from ...runtimes.trt.compat import Library, load_library, new_builder
from .timings import Timings

__all__ = ["Place", "find_place"]

log = logging.getLogger(__name__)

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
    once. Of several libraries, ``auto`` takes the first that can build here. Raises MissingError
    where the library is not installed or needs a GPU that is not there, InputError for a GPU that
    it cannot build for.
    """
    installed = compat.installed_flavours() if flavour == "auto" else ()
    first, *others = installed or (flavour,)
    try:
        return _place_of(first, target_gpu)
    except MissingError as error:
        for other in others:
            try:
                place = _place_of(other, target_gpu)
            except NncError:
                continue
            log.info("%s; building with %s", error, place.library.title)
            return place
        raise


def _place_of(flavour: str, target_gpu: str) -> Place:
    library = load_library(flavour)
    new_builder(library, new_logger(library, lambda *_: None))
    device = first_device()
    if target_gpu != "auto":
        return _for_target(library, device, int(target_gpu))
    if not library.targets:
        if device is None:
            raise _without_gpu(library)
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
    if device is None:
        raise _without_gpu(library)
    if device.capability != target:
        raise InputError(
            f"{library.title} builds for the GPU of the machine it runs on, which is {device.name} "
            f"with {device.capability}; run this on the machine with compute capability {target}, "
            "or use --flavour rtx"
        )
    return Place(library, device, ())


def _without_gpu(library: Library) -> MissingError:
    return MissingError(
        f"{library.title} builds for the GPU of the machine it runs on, and CUDA's driver knows "
        "none here; check with nvidia-smi, or use --flavour rtx, which builds without one"
    )
