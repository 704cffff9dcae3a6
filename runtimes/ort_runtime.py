"""ONNX Runtime behind the runtime protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InputError, MissingError
from ..whole_files import check_input
from .base import TensorSpec, check_place
from .onnx_files import check_external_data, may_have_external_data

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    from typing_extensions import Self

__all__ = ["OrtRuntime"]

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

_DTYPES = {"float": "float32", "double": "float64"}
_SILENT_BUT_ERRORS = 3
_LONGEST_REASON = 240


class OrtRuntime:
    """An ``.onnx`` file in ONNX Runtime: all graph optimisations, one inference at a time.

    Feeds and results are host arrays; on ``cuda`` `run` includes both copies.
    """

    name = "onnxruntime"

    def __init__(self, path: Path, *, device: str = "cpu", threads: int = 1) -> None:
        check_place(device, threads)
        self._path = path
        self._device = device
        self._threads = threads
        self._session: Any = None
        self._inputs: tuple[TensorSpec, ...] = ()
        self._outputs: tuple[TensorSpec, ...] = ()

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What `run` must be fed, as the graph declares it."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What `run` returns, as the graph declares it."""
        return self._outputs

    def __enter__(self) -> Self:
        try:
            import onnxruntime as ort
        except ImportError as error:
            raise MissingError(
                f"ONNX Runtime is needed to run {self._path}; "
                'pip install "nnc-toolchain[cpu]" (or [gpu] for CUDA, never both)'
            ) from error
        check_input(self._path)
        if may_have_external_data(self._path):
            check_external_data(self._path)
        provider = self._provider(ort)
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = _SILENT_BUT_ERRORS
        try:
            session = ort.InferenceSession(str(self._path), options, providers=[provider])
        except Exception as error:  # its exceptions share no base class
            raise InputError(
                f"{self._path}: ONNX Runtime cannot load it: {_reason(error)}"
            ) from error
        if session.get_providers()[0] != provider:
            raise MissingError(
                f"ONNX Runtime has {provider} but cannot start it here; "
                "check the NVIDIA driver (nvidia-smi) and CUDA libraries"
            )
        session.disable_fallback()
        self._session = session
        self._inputs = tuple(_spec(value) for value in session.get_inputs())
        self._outputs = tuple(_spec(value) for value in session.get_outputs())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session = None
        self._inputs = self._outputs = ()

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """All outputs by name; InputError where a feed's name, dtype or shape does not fit."""
        if self._session is None:
            raise RuntimeError("OrtRuntime.run outside its with block")
        try:
            results = self._session.run(None, feeds)
        except Exception as error:  # its exceptions share no base class
            raise InputError(
                f"{self._path}: ONNX Runtime cannot run it: {_reason(error)}"
            ) from error
        return {spec.name: value for spec, value in zip(self._outputs, results, strict=True)}

    def _provider(self, ort: Any) -> str:
        provider = PROVIDERS[self._device]
        if provider not in ort.get_available_providers():
            raise MissingError(
                f"this ONNX Runtime has no {provider}; in an environment of its own: "
                'pip install "nnc-toolchain[gpu]"'
            )
        if self._device == "cuda" and hasattr(ort, "preload_dlls"):
            ort.preload_dlls()
        return provider


def _spec(value: Any) -> TensorSpec:
    kind = value.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if isinstance(size, int) else None for size in value.shape or ())
    return TensorSpec(value.name, _DTYPES.get(kind, kind), shape)


def _reason(error: Exception) -> str:
    """ONNX Runtime's message in one line, without its prefix and source positions."""
    text = " ".join(str(error).split())
    if text.startswith("[ONNXRuntimeError]"):
        text = text.split(" : ", 3)[-1]
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 3] + "..."
