"""ONNX Runtime's execution providers: how each is asked for, and what it left to the CPU."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ...errors import InputError, MissingError
from ..reasons import short_reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..base import RuntimeOptions

__all__ = ["CPU", "PROVIDER_NAMES", "left_to_cpu", "start_session"]

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
_SILENT_BUT_ERRORS = 3


def start_session(
    ort: Any, path: Path, *, device: str, threads: int, options: RuntimeOptions
) -> Any:
    """A session of ``path`` on the CPU, or on the GPU through the provider that was chosen.

    Raises InputError for a file that ONNX Runtime cannot load, MissingError for a provider that is
    not here or cannot start, and for nodes that it leaves to the CPU, unless that is allowed.
    """
    kind = "cpu" if device == "cpu" else options.provider or "cuda"
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    settings.log_severity_level = _SILENT_BUT_ERRORS
    strict = kind != "cpu" and not options.allow_fallback
    records = hasattr(ort.InferenceSession, "get_provider_graph_assignment_info")
    if strict:
        settings.add_session_config_entry(_RECORD if records else _REFUSE, "1")
    providers = _prepare(ort, kind, settings)
    try:
        session = ort.InferenceSession(str(path), settings, providers=providers)
    except Exception as error:  # its exceptions share no base class
        if strict and "fallback to CPU EP" in str(error):
            raise MissingError(
                f"{path}: {kind} leaves nodes to the CPU; pass --allow-fallback to let it, "
                "or choose another --provider"
            ) from error
        raise InputError(f"{path}: ONNX Runtime cannot load it: {short_reason(error)}") from error
    if session.get_providers()[0] != PROVIDER_NAMES[kind]:
        raise MissingError(
            f"ONNX Runtime has {PROVIDER_NAMES[kind]} but cannot start it here; "
            "check the NVIDIA driver (nvidia-smi) and CUDA libraries"
        )
    if strict and records and (nodes := left_to_cpu(session)):
        shown = ", ".join(nodes[:_NODES_SHOWN])
        more = f" and {len(nodes) - _NODES_SHOWN} more" if len(nodes) > _NODES_SHOWN else ""
        raise MissingError(
            f"{path}: {kind} leaves {len(nodes)} node(s) to the CPU ({shown}{more}); "
            "pass --allow-fallback to let it, or choose another --provider"
        )
    session.disable_fallback()
    return session


def left_to_cpu(session: Any) -> tuple[str, ...]:
    """The nodes, ``name (op)``, that a session which records assignments runs on the CPU."""
    return tuple(
        f"{node.name or 'unnamed'} ({node.op_type})"
        for part in session.get_provider_graph_assignment_info()
        if part.ep_name == CPU
        for node in part.get_nodes()
    )


def _prepare(ort: Any, kind: str, settings: Any) -> list[str] | None:
    """Providers to ask for, in order; None where ``settings`` already names the devices."""
    name = PROVIDER_NAMES[kind]
    if kind != "cpu" and hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    if name in ort.get_available_providers():
        # TensorRT hands what it does not take to CUDA, which is still the GPU.
        return [name, PROVIDER_NAMES["cuda"]] if kind == "tensorrt" else [name]
    if kind != "nv-tensorrt-rtx":
        raise MissingError(
            f"this ONNX Runtime has no {name}; in an environment of its own: "
            'pip install "nnc-toolchain[gpu]"'
        )
    settings.add_provider_for_devices(_plugin_devices(ort, name), {})
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
