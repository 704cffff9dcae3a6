"""What this machine can do, found without importing PyTorch."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from ..runtimes.cpu import int8_target
from ..runtimes.environment import describe_environment
from ..runtimes.install import install_command
from .tensorrt_state import TensorRtState, tensorrt_states

__all__ = ["Backend", "Diagnosis", "diagnose"]


@dataclass(frozen=True)
class _Need:
    """A part of nnc, the packages it stands on, and the extra that brings them."""

    name: str
    commands: str
    packages: tuple[str, ...]
    extra: str


NEEDS = (
    _Need("PyTorch", "train, prune, export, bench .safetensors", ("torch", "torchvision"), "train"),
    _Need("ONNX export", "export", ("torch", "onnxscript", "onnx"), "train"),
    _Need("ONNX Runtime", "quantise, bench .onnx, export", ("onnxruntime", "onnx"), "cpu"),
    _Need("figures", "report .html, scan, experiment", ("matplotlib",), "report"),
    _Need("TensorRT", "quantise --backend trt, bench .engine", ("tensorrt",), "trt"),
    _Need("TensorRT for RTX", "quantise --backend trt, bench .engine", ("tensorrt_rtx",), "rtx"),
)

# Distributions that all own the module `onnxruntime`: at most one may be installed.
ONNXRUNTIME_KINDS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
)


# Distributions that own a module of another name.
_TENSORRT_OWNERS = {"tensorrt_rtx": "tensorrt-rtx-cu13"}


@dataclass(frozen=True)
class Backend:
    """One part of nnc: whether it works here, and the command that adds it where it does not."""

    name: str
    commands: str
    available: bool
    versions: dict[str, str | None]
    missing: tuple[str, ...]
    add: str


@dataclass(frozen=True)
class Diagnosis:
    """The report of ``nnc doctor``."""

    environment: dict[str, Any]
    backends: tuple[Backend, ...]
    providers: tuple[str, ...]
    torch_cuda: str | None
    tensorrt: tuple[TensorRtState, ...]
    int8_target: str
    """What ``nnc quantise --target auto`` makes files for here."""
    problems: tuple[str, ...]
    hints: tuple[str, ...] = ()
    """What might be added; nothing is wrong without it."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def diagnose() -> Diagnosis:
    """Look at packages, execution providers and devices; never fails for what it finds."""
    kinds = [name for name in ONNXRUNTIME_KINDS if _version(name)]
    providers, fault = _providers()
    environment = describe_environment()
    gpus = environment["gpus"]
    torch_cuda = _torch_cuda()
    problems, hints = [], []
    if len(kinds) > 1:
        problems.append(
            f"{' and '.join(kinds)} are both installed and overwrite each other; mend it with: "
            f"pip uninstall -y {' '.join(kinds)} && pip install {kinds[-1] if gpus else kinds[0]}"
        )
    if fault:
        problems.append(f"onnxruntime is installed but cannot be imported: {fault}")
    if gpus and _version("torch") and torch_cuda is None:
        problems.append(
            "there is a GPU, but this torch is a CPU build; "
            "add CUDA with: pip install --force-reinstall torch torchvision"
        )
    if gpus and providers and "CUDAExecutionProvider" not in providers:
        hints.append(
            "this ONNX Runtime is for the CPU; to measure .onnx files on the GPU, too, in an "
            f"environment of its own: {install_command('gpu')}"
        )
    tensorrt = tensorrt_states()
    problems += [state.problem for state in tensorrt if state.problem]
    return Diagnosis(
        environment=environment,
        backends=tuple(_backend(need, kinds, bool(gpus)) for need in NEEDS),
        providers=providers,
        torch_cuda=torch_cuda,
        tensorrt=tensorrt,
        int8_target=int8_target(environment["instruction_sets"]),
        problems=tuple(problems),
        hints=tuple(hints),
    )


def _backend(need: _Need, kinds: list[str], has_gpu: bool) -> Backend:
    owners = {"onnxruntime": kinds[0] if kinds else "onnxruntime", **_TENSORRT_OWNERS}
    versions = {name: _version(owners.get(name, name)) for name in need.packages}
    missing = tuple(name for name in need.packages if not _installed(name))
    extra = "gpu" if need.extra == "cpu" and has_gpu else need.extra
    return Backend(
        name=need.name,
        commands=need.commands,
        available=not missing,
        versions=versions,
        missing=missing,
        add=install_command(extra) if missing else "",
    )


def _installed(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    # A folder of type stubs alone has the module's name, but nothing to load.
    return spec is not None and spec.origin is not None


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _providers() -> tuple[tuple[str, ...], str]:
    """Execution providers of ONNX Runtime, and why it cannot be imported, if so."""
    if importlib.util.find_spec("onnxruntime") is None:
        return (), ""
    try:
        import onnxruntime

        return tuple(onnxruntime.get_available_providers()), ""
    except Exception as error:  # noqa: BLE001  (a broken installation fails in any way it likes)
        return (), (str(error).splitlines() or [type(error).__name__])[0]


def _torch_cuda() -> str | None:
    """The CUDA version torch was built for, read from its version file; None for a CPU build."""
    try:
        spec = importlib.util.find_spec("torch")
        if spec is None or spec.origin is None:
            return None
        text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    except (OSError, ValueError, ImportError):
        return None
    found = re.search(r"""^cuda\b[^=]*=\s*['"]([\d.]+)['"]""", text, re.MULTILINE)
    return found.group(1) if found else None
