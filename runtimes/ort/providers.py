"""ONNX Runtime's execution providers: how each is asked for, and what it left to others."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ...errors import InputError, MissingError
from ..install import install_command
from ..reasons import short_reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..base import RuntimeOptions

__all__ = ["CPU", "PROVIDER_NAMES", "left_to_others", "start_session"]

CPU = "CPUExecutionProvider"
PROVIDER_NAMES: Mapping[str, str] = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "nv-tensorrt-rtx": "NvTensorRTRTXExecutionProvider",
}
"""What a user types, to ONNX Runtime's name."""

_PLUGIN = "onnxruntime_ep_nv_tensorrt_rtx"
_NODES_SHOWN = 4
_RECORD = "session.record_ep_graph_assignment_info"
_REFUSE = "session.disable_cpu_ep_fallback"
_SILENT_BUT_ERRORS, _SILENT = 3, 4
_CUDA_INDEX = ("cuda_device_id", "device_id")
"""What a plug-in may call CUDA's number of a GPU."""


def start_session(
    ort: Any, path: Path, *, device: str, threads: int, options: RuntimeOptions
) -> Any:
    """A session of ``path`` on the CPU, or on the GPU through the provider that was chosen.

    Raises InputError for a file that ONNX Runtime cannot load, MissingError for a provider that is
    not here or cannot start, and for nodes that it leaves to another, unless that is allowed.
    """
    kind = "cpu" if device == "cpu" else options.provider or "cuda"
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    settings.log_severity_level = _SILENT_BUT_ERRORS
    strict = kind != "cpu" and not options.allow_fallback
    records = hasattr(ort.InferenceSession, "get_provider_graph_assignment_info")
    if kind != "cpu" and records:
        settings.add_session_config_entry(_RECORD, "1")
    elif strict:
        settings.add_session_config_entry(_REFUSE, "1")
    # TensorRT hands what it does not take to CUDA, where that is allowed or can be told.
    providers = _prepare(ort, kind, settings, to_cuda=records or not strict)
    try:
        # With its own fall-back it would print why a provider fails, and go on with another.
        session = ort.InferenceSession(str(path), settings, providers=providers, enable_fallback=0)
    except Exception as error:  # its exceptions share no base class
        if strict and "fallback to CPU EP" in str(error):
            raise MissingError(
                f"{path}: {kind} leaves nodes to the CPU; pass --allow-fallback to let it, "
                "or choose another --provider"
            ) from error
        reason = short_reason(error)
        if kind != "cpu" and _runs_on_the_cpu(ort, path):
            raise MissingError(
                f"{path}: {PROVIDER_NAMES[kind]} cannot start with it here ({reason}); check the "
                "NVIDIA driver (nvidia-smi) and CUDA libraries, or choose another --provider"
            ) from error
        raise InputError(f"{path}: ONNX Runtime cannot load it: {reason}") from error
    if session.get_providers()[0] != PROVIDER_NAMES[kind]:
        raise MissingError(
            f"ONNX Runtime has {PROVIDER_NAMES[kind]} but cannot start it here; "
            "check the NVIDIA driver (nvidia-smi) and CUDA libraries"
        )
    if strict and records and (left := left_to_others(session, kind)):
        raise MissingError(
            f"{path}: {kind} leaves {'; '.join(left)}; "
            "pass --allow-fallback to let it, or choose another --provider"
        )
    return session


def left_to_others(session: Any, kind: str) -> tuple[str, ...]:
    """For each other provider that has nodes, how many and which; ``kind`` is that asked for.

    () where the session did not record its assignments.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return ()
    nodes: dict[str, list[str]] = {}
    for part in session.get_provider_graph_assignment_info():
        if part.ep_name != PROVIDER_NAMES[kind]:
            nodes.setdefault(part.ep_name, []).extend(
                f"{node.name or 'unnamed'} ({node.op_type})" for node in part.get_nodes()
            )
    return tuple(_left(name, found) for name, found in nodes.items() if found)


def _left(provider: str, nodes: list[str]) -> str:
    title = {CPU: "the CPU", PROVIDER_NAMES["cuda"]: "CUDA"}.get(provider, provider)
    shown = ", ".join(nodes[:_NODES_SHOWN])
    more = f" and {len(nodes) - _NODES_SHOWN} more" if len(nodes) > _NODES_SHOWN else ""
    return f"{len(nodes)} node(s) to {title} ({shown}{more})"


def _runs_on_the_cpu(ort: Any, path: Path) -> bool:
    """Whether the file itself is sound: then the provider is what failed."""
    settings = ort.SessionOptions()
    settings.log_severity_level = _SILENT
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        ort.InferenceSession(str(path), settings, providers=[CPU])
    except Exception:  # noqa: BLE001  (its exceptions share no base class)
        return False
    return True


def _prepare(ort: Any, kind: str, settings: Any, *, to_cuda: bool) -> list[str] | None:
    """Providers to ask for, in order; None where ``settings`` already names the devices."""
    name = PROVIDER_NAMES[kind]
    if kind != "cpu" and hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    if name in ort.get_available_providers():
        return [name, PROVIDER_NAMES["cuda"]] if kind == "tensorrt" and to_cuda else [name]
    if kind != "nv-tensorrt-rtx":
        raise MissingError(
            f"this ONNX Runtime has no {name}; in an environment of its own: "
            f"{install_command('gpu')}"
        )
    # It refuses more than one.
    settings.add_provider_for_devices([_first_gpu(_plugin_devices(ort, name))], {})
    return None


def _plugin_devices(ort: Any, name: str) -> list[Any]:
    """The GPUs of the TensorRT RTX plugin, which is registered with ONNX Runtime if need be."""
    if not hasattr(ort, "register_execution_provider_library"):
        raise MissingError(
            f"ONNX Runtime {ort.__version__} takes no plugins; pip install 'onnxruntime>=1.24'"
        )
    try:
        plugin = importlib.import_module(_PLUGIN)
    except (ImportError, OSError) as error:
        raise MissingError(
            "the TensorRT RTX provider is not installed; pip install onnxruntime-ep-nv-tensorrt-rtx"
        ) from error
    found = [device for device in ort.get_ep_devices() if device.ep_name == name]
    if not found:
        try:
            ort.register_execution_provider_library(name, plugin.get_library_path())
        except Exception as error:  # its exceptions share no base class
            raise MissingError(
                f"the TensorRT RTX provider cannot be loaded ({short_reason(error)}); "
                "check the NVIDIA driver with nvidia-smi"
            ) from error
        found = [device for device in ort.get_ep_devices() if device.ep_name == name]
    if not found:
        raise MissingError("the TensorRT RTX provider finds no RTX GPU here; check with nvidia-smi")
    return found


def _first_gpu(devices: list[Any]) -> Any:
    """CUDA's device 0 if the plug-in says which that is, else the first."""

    def index(device: Any) -> int:
        for said in (device.ep_options, device.ep_metadata, device.device.metadata):
            for key in _CUDA_INDEX:
                if str(said.get(key, "")).isdecimal():
                    return int(said[key])
        return 0

    return min(devices, key=index)
