"""What is checked of an engine before a byte of it is deserialised.

An engine is code for one library and one kind of GPU. Each mismatch is a MissingError of one line
that says what to build anew, and how.
"""

from __future__ import annotations

import hashlib
import shlex
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
    "check_header",
    "check_library",
    "load_plan",
    "read_header",
    "refuse_without_sidecar",
]

HEADER_BYTES = 32
"""As many bytes of a plan as are read to tell what it is."""

_MAGIC = {b"ftrt": "tensorrt", b"vtrt": "rtx"}
_FORM_AT = 4
_KNOWN_FORM = 0
"""Form of the plan, a number of 4 bytes; trtexec reads a version from plans of this form alone."""
_SIZE_AT = 16
_VERSION_AT = 24
_TITLES = {"tensorrt": "TensorRT", "rtx": "TensorRT for RTX"}


@dataclass(frozen=True)
class Header:
    """What the first bytes of a plan say."""

    flavour: str
    version: tuple[int, ...]
    """Of the library that built it, four numbers modulo 256; () in a form that nobody knows yet."""
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
    return Plan(path, data, check_header(data[:HEADER_BYTES], path, sidecar, len(data)), sidecar)


def check_header(start: bytes, path: Path, sidecar: Sidecar | None, size: int) -> Header:
    """What `read_header` finds; MissingError where sidecar or the file's ``size`` differ."""
    header = read_header(start, path, sidecar)
    if sidecar is not None and header.flavour != sidecar.flavour:
        raise MissingError(
            f"{path} is a plan of {_TITLES[header.flavour]}, but its sidecar says "
            f"{_TITLES[sidecar.flavour]}; {_remedy(path, sidecar)}"
        )
    if header.size not in (None, size):
        raise MissingError(
            f"{path} has {size} bytes, and its header says {header.size}: it was cut short; "
            f"copy it again, or {_remedy(path, sidecar)}"
        )
    return header


def refuse_without_sidecar(path: Path) -> MissingError:
    """The error for an engine that says nothing of itself."""
    return MissingError(
        f"{path} has no sidecar {sidecar_path(path).name}, and an engine is code that runs here; "
        f"put the sidecar beside it, {_remedy(path, None)}, or pass --trust if you know who made it"
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
    if int.from_bytes(start[_FORM_AT : _FORM_AT + 4], "little") != _KNOWN_FORM:
        return Header(flavour, ())
    size = None
    if flavour == "rtx":
        size = int.from_bytes(start[_SIZE_AT : _SIZE_AT + 8], "little")
    return Header(flavour, tuple(start[_VERSION_AT : _VERSION_AT + 4]), size)


def check_library(plan: Plan, library: Library) -> None:
    """Raise MissingError unless ``library`` is the one that built ``plan``, as far as it says.

    A plan holds four numbers, TensorRT's Python module until 10.7 says three (``10.3.0``): what is
    compared is what both have, and the library itself judges the rest.
    """
    header = plan.header
    if header.flavour != library.flavour:
        raise MissingError(
            f"{plan.path} is a plan of {_TITLES[header.flavour]}; installed is {library.title}; "
            f"{_remedy(plan.path, plan.sidecar, library)}"
        )
    built = header.version
    if not built and plan.sidecar is not None:
        built = _in_bytes(plan.sidecar.version)
    own = _in_bytes(library.version)
    shared = min(len(own), len(built))
    if (built and not own) or own[:shared] != built[:shared]:
        raise MissingError(
            f"{plan.path} was built by {_TITLES[header.flavour]} {'.'.join(map(str, built))}, and "
            f"{library.title} is installed: a plan runs on the version that built it alone; "
            f"{_remedy(plan.path, plan.sidecar, library)}"
        )


def check_gpu(plan: Plan, device: Device, library: Library) -> None:
    """Raise MissingError unless the engine was built for a GPU of this compute capability.

    A plan without a sidecar does not say what it was built for: the library finds out.
    """
    sidecar = plan.sidecar
    if sidecar is None or device.capability in sidecar.runs_on:
        return
    built = ", ".join(capability_name(target) for target in sidecar.runs_on)
    where = f" on {sidecar.gpu}" if sidecar.gpu else ""
    remedy = _remedy(plan.path, sidecar, target=device.capability if library.targets else None)
    if library.targets and device.capability not in library.targets:
        remedy = f"{library.title} builds nothing for that GPU: use TensorRT (--flavour tensorrt)"
    raise MissingError(
        f"{plan.path} was built{where} for compute capability {built}; {device.name} "
        f"has {capability_name(device.capability)}; {remedy}"
    )


def _in_bytes(version: str) -> tuple[int, ...]:
    """The numbers of a version as a plan's header has them."""
    return tuple(number % 256 for number in version_numbers(version)[:4])


def _remedy(
    path: Path,
    sidecar: Sidecar | None,
    library: Library | None = None,
    target: int | None = None,
) -> str:
    """How to build the engine anew, as one clause; the command can be pasted into a shell.

    For ``library``, or the sidecar's; for ``target``, or the one GPU that the sidecar names.
    """
    words = ["nnc quantise MODEL.onnx --backend trt"]
    origin = ""
    flavour = library.flavour if library else ""
    if sidecar is not None:
        words += [
            f"--precision {sidecar.precision}",
            f"--batch {','.join(map(str, sidecar.batch))}",
        ]
        origin = f" from its ONNX file (sha256 {sidecar.parent_sha256[:12]})"
        flavour = flavour or sidecar.flavour
        if target is None and flavour == sidecar.flavour and len(sidecar.targets) == 1:
            target = sidecar.targets[0]
    if flavour:
        words.append(f"--flavour {flavour}")
    if target is not None:
        words.append(f"--target-gpu {target}")
    return f"build it anew{origin}: {' '.join(words)} -o {shlex.quote(str(path))} --force"
