"""ONNX Runtime behind the runtime protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import InputError, MissingError
from ...whole_files import check_input
from ..base import DEFAULT_OPTIONS, RuntimeOptions, TensorSpec, check_place
from ..install import install_command
from ..onnx_model.files import check_external_data, may_have_external_data
from ..reasons import short_reason
from .binding import BoundSession, can_bind
from .providers import left_to_others, start_session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    from typing_extensions import Self

    from ..base import DeviceTimes

__all__ = ["OrtRuntime"]

_COPIES = (
    "this ONNX Runtime binds no inputs and outputs with that provider: its latency has the copies "
    "from and to pageable memory in it"
)
_DTYPES = {"float": "float32", "double": "float64"}


class OrtRuntime:
    """An ``.onnx`` file in ONNX Runtime: all graph optimisations, one inference at a time.

    Feeds and results are host arrays; on ``cuda`` `run` includes both copies: inputs and outputs
    are bound to the GPU's memory, and `device_times` tells the copies from the computing.
    """

    name = "onnxruntime"

    def __init__(
        self,
        path: Path,
        *,
        device: str = "cpu",
        threads: int = 1,
        options: RuntimeOptions = DEFAULT_OPTIONS,
    ) -> None:
        check_place(device, threads)
        self._options = options
        self._path = path
        self._device = device
        self._threads = threads
        self._session: Any = None
        self._bound: BoundSession | None = None
        self._notes: tuple[str, ...] = ()
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
                f"{install_command('cpu')} (or [gpu] for CUDA, never both)"
            ) from error
        check_input(self._path)
        if may_have_external_data(self._path):
            check_external_data(self._path)
        session = start_session(
            ort, self._path, device=self._device, threads=self._threads, options=self._options
        )
        self._session = session
        self._inputs = tuple(_spec(value) for value in session.get_inputs())
        self._outputs = tuple(_spec(value) for value in session.get_outputs())
        if self._device == "cuda":
            kind = self._options.provider or "cuda"
            self._notes = tuple(f"{kind} leaves {left}" for left in left_to_others(session, kind))
            if can_bind(ort, "cuda"):
                names = [spec.name for spec in self._outputs]
                self._bound = BoundSession(ort, session, names, "cuda")
            else:
                self._notes += (_COPIES,)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session = self._bound = None
        self._inputs = self._outputs = ()

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """All outputs by name; InputError where a feed's name, dtype or shape does not fit."""
        if self._session is None:
            raise RuntimeError("OrtRuntime.run outside its with block")
        try:
            if self._bound is not None:
                results = self._bound.run(feeds)
            else:
                results = self._session.run(None, feeds)
        except Exception as error:  # its exceptions share no base class
            raise InputError(
                f"{self._path}: ONNX Runtime cannot run it: {short_reason(error)}"
            ) from error
        return {spec.name: value for spec, value in zip(self._outputs, results, strict=True)}

    def notes(self) -> tuple[str, ...]:
        """What the provider left to others, and whether copies are part of the computing."""
        return self._notes

    def device_times(self) -> DeviceTimes | None:
        """Of the last `run`, by the host's clock; None where inputs and outputs are not bound."""
        return None if self._bound is None else self._bound.times


def _spec(value: Any) -> TensorSpec:
    kind = value.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if isinstance(size, int) else None for size in value.shape or ())
    return TensorSpec(value.name, _DTYPES.get(kind, kind), shape)
