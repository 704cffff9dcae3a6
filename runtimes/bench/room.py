"""What a bench asks of the machine, held against what it has, before anything is measured."""

from __future__ import annotations

import logging
from math import prod
from typing import TYPE_CHECKING

from ...errors import InputError
from ..workers.system_load import allowed_cpus, available_memory

if TYPE_CHECKING:
    from ...model_card import InputSpec
    from .settings import BenchSettings

__all__ = ["check_room", "warn_of_crowding"]

log = logging.getLogger(__name__)

_HERE = 2
"""Bytes of a pixel in this process: all images, and those of one batch size."""
_THERE = 5
"""In each process that is timed: as they came, and as float32."""


def check_room(settings: BenchSettings, spec: InputSpec, files: int) -> None:
    """Raise InputError where the images of the largest batch alone do not fit into memory.

    ``files`` processes hold them at a time; what a network makes of them comes on top.
    """
    size = max(settings.batch_sizes)
    wanted = size * prod((spec.channels, spec.height, spec.width)) * (_HERE + _THERE * files)
    free = available_memory()
    if free is not None and wanted > free:
        raise InputError(
            f"--batch-size {size} takes {wanted / 1e9:.1f} GB for its images alone, in {files} "
            f"process{'es' if files != 1 else ''}; this machine has {free / 1e9:.1f} GB free; "
            "choose a smaller one"
        )


def warn_of_crowding(settings: BenchSettings) -> None:
    """One line in the log where there are more threads than cores that may be used."""
    cores, threads = len(allowed_cpus()), max(settings.threads)
    if "cpu" in settings.devices and 0 < cores < threads:
        log.warning(
            "%d threads on %d core%s: they wait for each other, and their times say little",
            threads,
            cores,
            "" if cores == 1 else "s",
        )
