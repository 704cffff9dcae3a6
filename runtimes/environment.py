"""The machine a figure was measured on: recorded with every result, and never a reason to fail."""

from __future__ import annotations

import hmac
import os
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from .cpu import arm_name, topology_cores
from .gpu.driver import first_device

__all__ = [
    "describe_environment",
    "gpu_names",
    "instruction_sets",
    "machine_digest",
    "package_versions",
]

_PACKAGES = (
    *("nnc-toolchain", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "onnxscript"),
    *("pillow", "safetensors", "tensorrt", "tensorrt-rtx-cu13", "torch", "torchvision"),
)
_FLAGS = {
    "sse4_1": "sse4_1",
    "sse4_2": "sse4_2",
    "avx": "avx",
    "f16c": "f16c",
    "fma": "fma",
    "avx2": "avx2",
    "avx_vnni": "avx_vnni",
    "avx512f": "avx512f",
    "avx512bw": "avx512bw",
    "avx512vl": "avx512vl",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_int8": "amx_int8",
    "amx_bf16": "amx_bf16",
    "asimd": "neon",
    "neon": "neon",
    "asimdhp": "fp16",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "sve": "sve",
    "sve2": "sve2",
    "sme": "sme",
    "bf16": "bf16",
    # macOS (sysctl) spells them otherwise.
    "avx1.0": "avx",
    "sse4.1": "sse4_1",
    "sse4.2": "sse4_2",
    "feat_dotprod": "dotprod",
    "feat_i8mm": "i8mm",
    "feat_bf16": "bf16",
}
"""What the system calls an instruction set, to what nnc does; in the order results list them."""

_CPUINFO = Path("/proc/cpuinfo")
_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


def describe_environment() -> dict[str, Any]:
    """CPU, cores, memory, OS, GPUs, Python and package versions as plain JSON values."""
    found = instruction_sets()
    order = list(dict.fromkeys(_FLAGS.values()))
    return {
        "machine": machine_digest(),
        "cpu": _cpu_model(),
        "architecture": platform.machine(),
        "instruction_sets": sorted(found, key=order.index),
        "cores": {
            "physical": _physical_cores(),
            "logical": os.cpu_count(),
            "usable": _usable_cores(),
        },
        "memory_bytes": _memory_bytes(),
        "os": _os_name(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "gpus": gpu_names(),
        "versions": package_versions(),
    }


def machine_digest() -> str:
    """Sixteen hexadecimal digits that are the same on one machine, and tell nothing of it.

    A hash of the CPU model, cores and memory, keyed with the machine's own id as machine-id(5) asks
    for, so that the id cannot be found out. Where there is none, machines of one make look alike.
    """
    identity = next((text for path in _MACHINE_IDS if (text := _read(path).strip())), "")
    # What the kernel keeps for itself varies with its version.
    memory = round((_memory_bytes() or 0) / 2**30)
    facts = f"nnc {_cpu_model()} {_physical_cores()} {os.cpu_count()} {memory}"
    return hmac.new(identity.encode(), facts.encode(), "sha256").hexdigest()[:16]


def instruction_sets() -> frozenset[str]:
    """The CPU's vector instruction sets that matter here, by nnc's names.

    Among them ``avx2``, ``avx512_vnni``, ``avx_vnni`` and ``amx_int8`` on x86, ``neon`` and
    ``dotprod`` on ARM; empty where the system does not tell.
    """
    text = _read(_CPUINFO).lower()
    words: set[str] = set()
    for line in text.splitlines():
        if line.startswith(("flags", "features")):
            words.update(line.partition(":")[2].split())
            break
    if sys.platform == "darwin":
        words.update(_sysctl("machdep.cpu.features").lower().split())
        words.update(_sysctl("machdep.cpu.leaf7_features").lower().split())
        for name in ("FEAT_DotProd", "FEAT_I8MM", "FEAT_BF16"):
            if _sysctl(f"hw.optional.arm.{name}") == "1":
                words.add(name.lower())
    found = {name for flag, name in _FLAGS.items() if flag in words}
    if platform.machine().lower() in ("arm64", "aarch64"):
        found.add("neon")
    return frozenset(found)


def package_versions() -> dict[str, str]:
    """Versions of the installed packages that results depend on; absent ones are left out."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        # Broken metadata must not stop a measurement, whatever it raises.
        except Exception:  # noqa: BLE001, S112, PERF203
            continue
    return versions


def gpu_names() -> list[str]:
    """Names and driver versions of NVIDIA GPUs, by nvidia-smi; empty where there are none.

    Where that is missing or says nothing, as on Jetsons, the first that CUDA's driver knows.
    """
    program = shutil.which("nvidia-smi")
    query = ["--query-gpu=name,driver_version", "--format=csv,noheader"]
    output = "" if program is None else _output([program, *query])
    if names := [line.strip() for line in output.splitlines() if line.strip()]:
        return names
    device = first_device()
    return [] if device is None else [f"{device.name}, driver for CUDA {device.cuda}"]


def _cpu_model() -> str:
    cpuinfo = _read(_CPUINFO)
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() in ("model name", "hardware") and value.strip():
            return value.strip()
    if sys.platform == "darwin" and (brand := _sysctl("machdep.cpu.brand_string")):
        return brand
    return arm_name(cpuinfo) or platform.processor() or platform.machine() or "unknown"


def _physical_cores() -> int | None:
    if sys.platform == "darwin":
        count = _sysctl("hw.physicalcpu")
        return int(count) if count.isdigit() else None
    cores = set()
    package = "0"
    for line in _read(_CPUINFO).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "physical id":
            package = value.strip()
        elif key.strip() == "core id":
            cores.add((package, value.strip()))
    return len(cores) or topology_cores()


def _usable_cores() -> int | None:
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return os.cpu_count()


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _os_name() -> str:
    match = re.search(r'^PRETTY_NAME="?([^"\n]+)', _read(Path("/etc/os-release")), re.MULTILINE)
    return match.group(1) if match else f"{platform.system()} {platform.release()}".strip()


def _sysctl(name: str) -> str:
    return _output(["/usr/sbin/sysctl", "-n", name]).strip()


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
