"""The CPU of this machine: its name, its cores, and which int8 kernels ONNX Runtime has for it."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterator
from pathlib import Path

__all__ = ["arm_name", "int8_target", "topology_cores"]

_BOARD = Path("/sys/firmware/devicetree/base/model")
_TOPOLOGY = Path("/sys/devices/system/cpu")

_VNNI = {"vnni", "avx_vnni", "avxvnni", "avx512_vnni", "avx512vnni"}

# Implementer and part as the kernel prints them (Arm's MIDR_EL1; the names are those of lscpu).
_ARM_CORES = {
    0xD03: "Cortex-A53",
    0xD04: "Cortex-A35",
    0xD05: "Cortex-A55",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD09: "Cortex-A73",
    0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
    0xD40: "Neoverse-V1",
    0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE",
    0xD44: "Cortex-X1",
    0xD46: "Cortex-A510",
    0xD47: "Cortex-A710",
    0xD48: "Cortex-X2",
    0xD49: "Neoverse-N2",
    0xD4B: "Cortex-A78C",
    0xD4D: "Cortex-A715",
    0xD4E: "Cortex-X3",
    0xD4F: "Neoverse-V2",
    0xD80: "Cortex-A520",
    0xD81: "Cortex-A720",
    0xD82: "Cortex-X4",
    0xD84: "Neoverse-V3",
    0xD8E: "Neoverse-N3",
}
_IMPLEMENTERS = {
    0x41: "ARM",
    0x42: "Broadcom",
    0x48: "HiSilicon",
    0x4E: "NVIDIA",
    0x51: "Qualcomm",
    0x61: "Apple",
    0xC0: "Ampere",
}


def arm_name(cpuinfo: str) -> str:
    """What ``/proc/cpuinfo`` says of an ARM CPU, which has no model name there: its kinds of cores,
    and the board where the firmware names it. Empty where nothing is said."""
    kinds, implementer = [], 0
    for key, value in _entries(cpuinfo):
        if key == "cpu implementer":
            implementer = _number(value)
        elif key == "cpu part" and implementer:
            kinds.append(_core_name(implementer, _number(value)))
    named = " + ".join(dict.fromkeys(kinds))
    try:
        board = _BOARD.read_text("utf-8", errors="replace").strip("\0 \n")
    except OSError:
        board = ""
    return f"{named} ({board})" if named and board else named or board


def topology_cores() -> int | None:
    """Physical cores as Linux counts them in sysfs; None where it does not."""
    cores = set()
    try:
        for topology in _TOPOLOGY.glob("cpu[0-9]*/topology"):
            package, core = (
                (topology / name).read_text("ascii").strip()
                for name in ("physical_package_id", "core_id")
            )
            cores.add((package, core))
    except (OSError, ValueError):
        return None
    return len(cores) or None


def int8_target(instruction_sets: Collection[str], machine: str = "") -> str:
    """``avx2``, ``vnni`` or ``arm64``: the int8 kernels that ONNX Runtime takes on such a CPU.

    ``machine`` is its name as `platform.machine` gives it; empty is this machine's.
    """
    if (machine or platform.machine()).lower() in ("aarch64", "arm64"):
        return "arm64"
    return "vnni" if _VNNI & {name.lower() for name in instruction_sets} else "avx2"


def _entries(cpuinfo: str) -> Iterator[tuple[str, str]]:
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        yield key.strip().lower(), value.strip()


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return 0


def _core_name(implementer: int, part: int) -> str:
    if implementer == 0x41 and part in _ARM_CORES:
        return _ARM_CORES[part]
    maker = _IMPLEMENTERS.get(implementer, f"implementer {implementer:#x}")
    return f"{maker} part {part:#x}"
