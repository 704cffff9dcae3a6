"""TensorRT behind the runtime protocol: ``.engine`` files on an NVIDIA GPU."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from ...errors import InputError, MissingError, NncError
from ..base import (
    DEFAULT_OPTIONS,
    DeviceTimes,
    RuntimeOptions,
    TensorSpec,
    check_place,
)
from ..gpu.device import open_gpu
from ..gpu.driver import first_device
from .callbacks import new_logger
from .compat import dtype_name, load_engine, load_library, new_runtime, sizes
from .preflight import check_gpu, check_library, load_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    import tensorrt as trt
    from typing_extensions import Self

    from ..gpu.device import Gpu
    from .compat import Library

__all__ = ["TrtRuntime"]

log = logging.getLogger(__name__)

_NAMES = {"tensorrt": "tensorrt", "rtx": "tensorrt-rtx"}
_START, _FED, _COMPUTED, _DONE = range(4)
_LONGEST_REASON = 240


@dataclass(frozen=True)
class _Buffer:
    """A tensor's memory on both sides, large enough for the greatest batch."""

    address: int
    host: np.ndarray[Any, Any]
    """Page-locked uint8."""

    def view(self, shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
        """The first bytes of the host side as an array."""
        import numpy as np

        size = prod(shape) * np.dtype(dtype).itemsize
        return self.host[:size].view(dtype).reshape(shape)


class TrtRuntime:
    """An ``.engine`` in the TensorRT that built it; buffers are allocated once, on entry.

    After the first inference of each batch size, the work is replayed as a CUDA graph where the
    engine can be captured. Feeds and results are host arrays; `run` includes both copies, and
    `device_times` tells them from the computing. Everything is checked (`trt_preflight`) before
    the plan is deserialised, and where anything is amiss MissingError says how to mend it.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str = "cuda",
        threads: int = 1,
        options: RuntimeOptions = DEFAULT_OPTIONS,
    ) -> None:
        check_place(device, threads)
        self._path = path
        self._device = device
        self._trust = options.trust
        self._held = ExitStack()
        self._library: Library | None = None
        self._gpu: Gpu | None = None
        self._makers: tuple[Any, ...] = ()
        self._context: trt.IExecutionContext | None = None
        self._inputs: tuple[TensorSpec, ...] = ()
        self._outputs: tuple[TensorSpec, ...] = ()
        self._buffers: dict[str, _Buffer] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._launch: Callable[[], None] | None = None
        self._said: list[str] = []
        self._ungraphed = [0, 0]
        """Nanoseconds that runs without a CUDA graph took to queue, and then to compute."""

    @property
    def name(self) -> str:
        """``tensorrt`` or ``tensorrt-rtx``; before entry, the former."""
        return _NAMES["tensorrt" if self._library is None else self._library.flavour]

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What `run` must be fed, with the batch sizes that the engine was built for."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What `run` returns."""
        return self._outputs

    def __enter__(self) -> Self:
        if self._device != "cuda":
            raise InputError(f"{self._path}: an engine runs on a GPU alone; pass --device cuda")
        plan = load_plan(self._path, trust=self._trust)
        library = load_library(plan.header.flavour)
        check_library(plan, library)
        device = first_device()
        if device is None:
            raise MissingError(
                f"{self._path} runs on an NVIDIA GPU alone, and there is none here; "
                "check the driver with nvidia-smi"
            )
        check_gpu(plan, device, library)
        with ExitStack() as stack:
            gpu = open_gpu()
            stack.callback(gpu.close)
            logger = new_logger(library, self._listen)
            runtime = new_runtime(library, logger)
            engine = load_engine(runtime, plan.data)
            if engine is None:
                raise MissingError(
                    f"{self._path}: {library.title} cannot load it: {self._last_word()}"
                )
            context = _new_context(library, engine)
            if context is None:
                raise MissingError(
                    f"{self._path}: {library.title} cannot run it on {device.name}: "
                    f"{self._last_word()}"
                )
            self._library, self._gpu, self._context = library, gpu, context
            # What made the context must outlive it.
            self._makers = (logger, runtime, engine)
            stack.callback(self._let_go)
            self._describe(library, engine)
            self._allocate(gpu, engine, context)
            self._held = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.close()

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """All outputs by name; InputError where a feed's name, dtype or shape does not fit."""
        gpu, context = self._gpu, self._context
        if gpu is None or context is None:
            raise RuntimeError("TrtRuntime.run outside its with block")
        self._check(feeds)
        for name, array in feeds.items():
            self._buffers[name].view(array.shape, str(array.dtype))[...] = array
        if {name: array.shape for name, array in feeds.items()} != self._shapes:
            self._reshape(gpu, context, feeds)
        gpu.mark(_START)
        for name, array in feeds.items():
            buffer = self._buffers[name]
            gpu.to_device(buffer.address, buffer.host[: array.nbytes])
        gpu.mark(_FED)
        if self._launch is not None:
            self._launch()
        else:
            start = perf_counter_ns()
            if not context.execute_async_v3(gpu.stream):
                raise NncError(f"{self._path}: TensorRT could not run it: {self._last_word()}")
            self._ungraphed[0] += perf_counter_ns() - start
        gpu.mark(_COMPUTED)
        results = {}
        for spec in self._outputs:
            shape = sizes(context.get_tensor_shape(spec.name))
            results[spec.name] = self._buffers[spec.name].view(shape, spec.dtype)
            gpu.to_host(results[spec.name].reshape(-1).view("uint8"), self._address(spec.name))
        gpu.mark(_DONE)
        gpu.synchronise()
        if self._launch is None:
            self._ungraphed[1] += gpu.between(_FED, _COMPUTED)
        return {name: array.copy() for name, array in results.items()}

    def notes(self) -> tuple[str, ...]:
        """Whether the GPU had to wait for the CPU, as trtexec warns."""
        queued, computed = self._ungraphed
        if not queued:
            return ()
        slow = f"queueing took {queued / max(computed, 1):.1f} times as long as computing"
        return (
            "it cannot be captured as a CUDA graph"
            + (f", and {slow}" if queued > computed else ""),
        )

    def device_times(self) -> DeviceTimes:
        """Where the time of the last `run` went, by the GPU's own clock."""
        if self._gpu is None:
            raise RuntimeError("TrtRuntime.device_times outside its with block")
        between = self._gpu.between
        return DeviceTimes(
            host_to_device=between(_START, _FED),
            compute=between(_FED, _COMPUTED),
            device_to_host=between(_COMPUTED, _DONE),
        )

    def _describe(self, library: Library, engine: trt.ICudaEngine) -> None:
        modes = library.module.TensorIOMode
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        inputs = [name for name in names if engine.get_tensor_mode(name) == modes.INPUT]
        self._inputs = tuple(_spec(engine, name, is_input=True) for name in inputs)
        self._outputs = tuple(
            _spec(engine, name, is_input=False) for name in names if name not in inputs
        )
        for spec in (*self._inputs, *self._outputs):
            if spec.dtype not in ("float32", "float16", "int8", "uint8", "int32", "int64", "bool"):
                raise InputError(
                    f"{self._path}: its tensor '{spec.name}' is {spec.dtype}, which has no NumPy "
                    "type; build it with inputs and outputs in float32"
                )
            self._check_layout(library, engine, spec.name)

    def _check_layout(self, library: Library, engine: trt.ICudaEngine, name: str) -> None:
        """Refuse tensors that are no plain arrays on the GPU: nnc builds none, others may."""
        module = library.module
        odd = ""
        if engine.get_tensor_format(name) != module.TensorFormat.LINEAR:
            odd = "not stored row by row"
        elif engine.get_tensor_location(name) != module.TensorLocation.DEVICE:
            odd = "in host memory"
        elif engine.is_shape_inference_io(name):
            odd = "a shape, not data"
        if odd:
            raise InputError(
                f"{self._path}: its tensor '{name}' is {odd}; such engines are not supported, "
                "build it with nnc quantise --backend trt"
            )

    def _allocate(self, gpu: Gpu, engine: trt.ICudaEngine, context: trt.IExecutionContext) -> None:
        """Memory for the greatest shapes of the engine's first optimisation profile."""
        import numpy as np

        for spec in self._inputs:
            if None in spec.shape:
                greatest = sizes(engine.get_tensor_profile_shape(spec.name, 0)[2])
                if not context.set_input_shape(spec.name, greatest):
                    raise self._refused(f"the shape {list(greatest)}", spec.name)
        for spec in (*self._inputs, *self._outputs):
            size = prod(sizes(context.get_tensor_shape(spec.name))) * np.dtype(spec.dtype).itemsize
            if size <= 0:
                raise InputError(
                    f"{self._path}: the size of its tensor '{spec.name}' depends on the data; "
                    "such engines are not supported"
                )
            self._buffers[spec.name] = _Buffer(gpu.allocate(size), gpu.pinned(size))
            if not context.set_tensor_address(spec.name, self._address(spec.name)):
                raise self._refused("its buffer", spec.name)

    def _reshape(
        self,
        gpu: Gpu,
        context: trt.IExecutionContext,
        feeds: Mapping[str, np.ndarray[Any, Any]],
    ) -> None:
        """Set the shapes of the feeds, run once, and capture a graph of that."""
        self._shapes, self._launch = {}, None
        for name, array in feeds.items():
            if not context.set_input_shape(name, tuple(array.shape)):
                raise self._refused(f"{list(array.shape)}", name)
        # The first inference of a shape does work that a graph must not hold.
        if not context.execute_async_v3(gpu.stream):
            raise NncError(f"{self._path}: TensorRT could not run it: {self._last_word()}")
        gpu.synchronise()
        ready = not hasattr(context, "is_stream_capturable") or context.is_stream_capturable(
            gpu.stream
        )
        if ready:
            self._launch = gpu.capture(lambda: context.execute_async_v3(gpu.stream))
        if self._launch is None:
            log.info("%s: cannot be captured as a CUDA graph; runs without one", self._path)
        self._shapes = {name: tuple(array.shape) for name, array in feeds.items()}

    def _check(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> None:
        if set(feeds) != {spec.name for spec in self._inputs}:
            expected = ", ".join(f"'{spec.name}'" for spec in self._inputs)
            raise InputError(f"{self._path}: fed {sorted(feeds)}; expected {expected}")
        for spec in self._inputs:
            array = feeds[spec.name]
            fits = len(array.shape) == len(spec.shape) and all(
                own in (None, given) for own, given in zip(spec.shape, array.shape, strict=True)
            )
            least, greatest = spec.batches or (1, None)
            if fits and spec.batches:
                fits = least <= array.shape[0] and (greatest is None or array.shape[0] <= greatest)
            if not fits or str(array.dtype) != spec.dtype:
                span = f" with N from {least} to {greatest}" if spec.batches else ""
                shape = ", ".join("N" if size is None else str(size) for size in spec.shape)
                raise InputError(
                    f"{self._path}: fed {array.dtype} {list(array.shape)} for '{spec.name}'; "
                    f"expected {spec.dtype} [{shape}]{span}"
                )

    def _refused(self, what: str, name: str) -> InputError:
        return InputError(
            f"{self._path}: TensorRT refuses {what} for '{name}': {self._last_word()}"
        )

    def _address(self, name: str) -> int:
        return self._buffers[name].address

    def _listen(self, severity: str, text: str) -> None:
        if severity.endswith("error"):
            self._said.append(text)
        level = logging.WARNING if severity in ("warning", "error", "internal_error") else 10
        log.log(level, "TensorRT: %s", text)

    def _last_word(self) -> str:
        text = self._said[-1] if self._said else "it gave no reason"
        return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 3] + "..."

    def _let_go(self) -> None:
        self._launch = None
        self._context = self._gpu = None
        self._makers = ()
        self._inputs = self._outputs = ()
        self._buffers, self._shapes = {}, {}


def _new_context(library: Library, engine: trt.ICudaEngine) -> trt.IExecutionContext | None:
    """A context; kernels of RTX are compiled for the very shapes at once, not in the background."""
    strategies = getattr(library.module, "DynamicShapesKernelSpecializationStrategy", None)
    make = getattr(engine, "create_runtime_config", None)
    if strategies is None or make is None:
        return engine.create_execution_context()
    config = make()
    config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
    found: trt.IExecutionContext | None = engine.create_execution_context(config)
    return found


def _spec(engine: trt.ICudaEngine, name: str, *, is_input: bool) -> TensorSpec:
    shape = tuple(None if size < 0 else size for size in sizes(engine.get_tensor_shape(name)))
    batches = None
    if is_input and shape and shape[0] is None:
        least, _, greatest = engine.get_tensor_profile_shape(name, 0)
        batches = (sizes(least)[0], sizes(greatest)[0])
    return TensorSpec(name, dtype_name(engine.get_tensor_dtype(name)), shape, batches)
