"""What each TensorRT that is installed can build and run on this machine."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from ..errors import NncError
from ..runtimes.gpu.device import capability_name, has_cuda_python
from ..runtimes.gpu.driver import Device, first_device
from ..runtimes.trt.compat import installed_flavours, load_library

__all__ = ["TensorRtState", "tensorrt_states"]


@dataclass(frozen=True)
class TensorRtState:
    """One installed TensorRT."""

    flavour: str
    version: str
    """Empty where it cannot be imported."""
    cuda: str
    """Major version of the CUDA it was built for; empty where no package says."""
    builds: str
    """Engines for which GPUs, in words."""
    runs: str
    problem: str


def tensorrt_states() -> tuple[TensorRtState, ...]:
    """All flavours that are installed; imports them, never fails."""
    device = first_device()
    return tuple(_state(flavour, device) for flavour in installed_flavours())


def _state(flavour: str, device: Device | None) -> TensorRtState:
    try:
        library = load_library(flavour)
    except NncError as error:
        return TensorRtState(flavour, "", "", "nothing", "nothing", str(error))
    targets = library.targets
    names = ", ".join(map(capability_name, targets))
    here = "" if device is None else f"{device.name}, {capability_name(device.capability)}"
    lacks = "" if device is None else _driver_too_old(library.cuda, device.cuda)
    if targets:
        builds = f"for compute capability {names}, with or without a GPU"
    elif lacks:
        builds = f"nothing: {lacks}"
    elif device is not None:
        builds = f"for the GPU of this machine ({here})"
    else:
        builds = "nothing: it needs a GPU to build"
    if device is None:
        runs = "nothing: there is no GPU"
    elif lacks:
        runs = f"nothing: {lacks}"
    elif targets and device.capability not in targets:
        runs = f"nothing: it knows compute capability {names}, not this GPU's ({here})"
    elif not has_cuda_python() and importlib.util.find_spec("torch") is None:
        runs = "nothing: it lacks cuda-python for its buffers; pip install cuda-python"
    else:
        runs = f"its engines, on the GPU of this machine ({here})"
    return TensorRtState(flavour, library.version, library.cuda, builds, runs, "")


def _driver_too_old(library: str, driver: str) -> str:
    """Why a library for one CUDA does not work with this driver; empty where it does."""
    served = driver.partition(".")[0]
    if not (library.isdecimal() and served.isdecimal()) or int(served) >= int(library):
        return ""
    return f"it is built for CUDA {library}, and the driver serves {driver} at most; update that"
