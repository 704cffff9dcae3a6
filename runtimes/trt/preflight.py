"""What is checked of an engine before a byte of it is deserialised.

An engine is code for one library and one kind of GPU. Each mismatch is a MissingError of one line
that says what to build anew, and how.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError, MissingError
from ...whole_files import check_input
from ..gpu.device import capability_name
from .compat import version_numbers
from .sidecar import Sidecar, read_sidecar, sidecar_path

if TYPE_CHECKING:
    from ..gpu.driver import Device
    from .compat import Library

__all__ = [
    "HEADER_BYTES",
    "Header",
    "Plan",
    "check_digest",
    "check_gpu",
    "check_library",
    "load_plan",
    "read_header",
    "refuse_without_sidecar",
]

HEADER_BYTES = 32
"""As many bytes of a plan as are read to tell what it is."""

_MAGIC = {b"ftrt": "tensorrt", b"vtrt": "rtx"}
_SIZE_AT = 16
_VERSION_AT = 24
_TITLES = {"tensorrt": "TensorRT", "rtx": "TensorRT for RTX"}


@dataclass(frozen=True)
class Header:
    """What the first bytes of a plan say."""

    flavour: str
    version: tuple[int, int, int, int]
    """Of the library that built it, each number modulo 256."""
    size: int | None = None
    """Bytes of the whole plan, where the header tells."""


@dataclass(frozen=True)
class Plan:
    """An engine file in memory, as its sidecar describes it."""

    path: Path
    data: bytes = field(repr=False)
    header: Header
    sidecar: Sidecar | None
    """None only where the user trusts a file without one."""


def load_plan(path: Path, *, trust: bool = False) -> Plan:
    """Read an engine and check what needs neither library nor GPU: sidecar, sha256 and header.

    What is hashed is what is handed on, so the file cannot change in between. ``trust`` takes an
    engine without a sidecar; one that has a sidecar must agree with it all the same. Raises
    InputError for a file that cannot be read or a damaged sidecar, MissingError for a mismatch.
    """
    check_input(path)
    sidecar = read_sidecar(path)
    if sidecar is None and not trust:
        raise refuse_without_sidecar(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {str(error.strerror or error).lower()}") from error
    if sidecar is not None:
        check_digest(path, sidecar, hashlib.sha256(data).hexdigest())
    header = read_header(data[:HEADER_BYTES], path, sidecar)
    if sidecar is not None and header.flavour != sidecar.flavour:
        raise MissingError(
            f"{path} is a plan of {_TITLES[header.flavour]}, but its sidecar says "
            f"{_TITLES[sidecar.flavour]}; {_remedy(path, sidecar)}"
        )
    if header.size not in (None, len(data)):
        raise MissingError(
            f"{path} has {len(data)} bytes, and its header says {header.size}: it was cut short; "
            f"copy it again, or {_remedy(path, sidecar)}"
        )
    return Plan(path, data, header, sidecar)


def refuse_without_sidecar(path: Path) -> MissingError:
    """The error for an engine that says nothing of itself."""
    return MissingError(
        f"{path} has no sidecar {sidecar_path(path).name}, and an engine is code that runs here; "
        "put the sidecar beside it, build it anew (nnc quantise MODEL.onnx --backend trt), or pass "
        "--trust if you know who made it"
    )


def check_digest(path: Path, sidecar: Sidecar, digest: str) -> None:
    """Raise MissingError unless ``digest`` is the sha256 that the sidecar recorded."""
    if digest != sidecar.engine_sha256:
        raise MissingError(
            f"{path} is not the engine that its sidecar describes (sha256 {digest[:12]}, not "
            f"{sidecar.engine_sha256[:12]}): changed, cut short or replaced; copy both files "
            f"again, or {_remedy(path, sidecar)}"
        )


def read_header(start: bytes, path: Path, sidecar: Sidecar | None = None) -> Header:
    """What the first `HEADER_BYTES` of a plan say; MissingError where they are no plan's."""
    flavour = _MAGIC.get(start[:4])
    if flavour is None or len(start) < HEADER_BYTES:
        found = f"it starts with {start[:4]!r}" if flavour is None else f"{len(start)} bytes"
        raise MissingError(
            f"{path} is no TensorRT engine ({found}; expected "
            f"{' or '.join(repr(magic) for magic in _MAGIC)}); {_remedy(path, sidecar)}"
        )
    major, minor, patch, build = start[_VERSION_AT : _VERSION_AT + 4]
    size = None
    if flavour == "rtx":
        size = int.from_bytes(start[_SIZE_AT : _SIZE_AT + 8], "little")
    return Header(flavour, (major, minor, patch, build), size)


def check_library(plan: Plan, library: Library) -> None:
    """Raise MissingError unless ``library`` is the one that built ``plan``, to the last number."""
    header = plan.header
    if header.flavour != library.flavour:
        raise MissingError(
            f"{plan.path} is a plan of {_TITLES[header.flavour]}; installed is {library.title}; "
            f"{_remedy(plan.path, plan.sidecar, library)}"
        )
    numbers = (*version_numbers(library.version), 0, 0, 0, 0)[:4]
    if header.version != tuple(number % 256 for number in numbers):
        built = plan.sidecar.version if plan.sidecar else ".".join(map(str, header.version))
        raise MissingError(
            f"{plan.path} was built by {_TITLES[header.flavour]} {built}, and {library.title} "
            f"is installed: a plan runs on the version that built it alone; "
            f"{_remedy(plan.path, plan.sidecar, library)}"
        )


def check_gpu(plan: Plan, device: Device) -> None:
    """Raise MissingError unless the engine was built for a GPU of this compute capability.

    A plan without a sidecar does not say what it was built for: the library finds out.
    """
    sidecar = plan.sidecar
    if sidecar is None or device.capability in sidecar.runs_on:
        return
    built = ", ".join(capability_name(target) for target in sidecar.runs_on)
    where = f" on {sidecar.gpu}" if sidecar.gpu else ""
    target = f" --target-gpu {device.capability}" if sidecar.targets else ""
    raise MissingError(
        f"{plan.path} was built{where} for compute capability {built}; {device.name} "
        f"has {capability_name(device.capability)}; {_remedy(plan.path, sidecar)}{target}"
    )


def _remedy(path: Path, sidecar: Sidecar | None, library: Library | None = None) -> str:
    """How to build the engine anew, as one clause."""
    words = ["nnc quantise MODEL.onnx --backend trt"]
    origin = ""
    if sidecar is not None:
        words.append(f"--precision {sidecar.precision}")
        if sidecar.batch[0] != sidecar.batch[2]:
            words.append(f"--batch {','.join(map(str, sidecar.batch))}")
        origin = f" from its ONNX file (sha256 {sidecar.parent_sha256[:12]})"
    flavour = library.flavour if library else sidecar.flavour if sidecar else ""
    if flavour:
        words.append(f"--flavour {flavour}")
    return f"build it anew{origin}: {' '.join(words)} -o {path}"
