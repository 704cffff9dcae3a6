"""TensorRT 8.6 to 11 and TensorRT for RTX as one library, told apart by what the module offers.

Everything that differs between them stands here; what builds and what runs engines meets one API.
The objects are the library's own. Types name TensorRT 10's stubs, and nothing is imported before
`load_library`.
"""

from __future__ import annotations

import importlib
import importlib.util
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from ...errors import InputError, MissingError
from ..install import install_command
from .callbacks import new_monitor
from .held_signals import held_signals
from .library import FLAVOURS, TITLES, Library

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tensorrt as trt

__all__ = [
    "FLAVOURS",
    "PRECISIONS",
    "Library",
    "Parsed",
    "ParserFault",
    "build_plan",
    "dtype_name",
    "installed_flavours",
    "load_engine",
    "load_library",
    "new_builder",
    "new_config",
    "new_runtime",
    "parse_onnx",
    "read_timing_cache",
    "sizes",
    "use_timing_cache",
    "uses_tf32",
    "version_numbers",
]

PRECISIONS = ("int8", "fp16", "fp32")
"""What an engine's layers are to compute in; int8 leaves the rest in fp16."""

_MODULES = {"tensorrt": "tensorrt", "rtx": "tensorrt_rtx"}
_DISTRIBUTIONS = {"tensorrt": "tensorrt-cu{}", "rtx": "tensorrt-rtx-cu{}"}
_CUDA_MAJORS = (14, 13, 12, 11)
_DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "BF16": "bfloat16",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}


@dataclass(frozen=True)
class ParserFault:
    """What the ONNX parser could not take."""

    node: str
    """Name of the ONNX node; empty where it is not about one."""
    op: str
    reason: str
    """One line."""


@dataclass(frozen=True)
class Parsed:
    """A network, with the parser that owns its weights: keep both until the engine is built."""

    network: trt.INetworkDefinition
    parser: trt.OnnxParser
    faults: tuple[ParserFault, ...]


def installed_flavours() -> tuple[str, ...]:
    """The flavours whose module is installed, without importing any."""
    found = ((name, importlib.util.find_spec(_MODULES[name])) for name in FLAVOURS)
    # A folder of type stubs alone has the module's name, but nothing to load.
    return tuple(name for name, spec in found if spec is not None and spec.origin is not None)


def load_library(flavour: str = "auto") -> Library:
    """Import TensorRT: the flavour asked for, or the first of `FLAVOURS` that is installed.

    Raises MissingError, with the extra that installs it, where there is none or it cannot be
    imported; InputError for an unknown flavour.
    """
    if flavour not in ("auto", *FLAVOURS):
        raise InputError(f"flavour '{flavour}': expected one of auto, {', '.join(FLAVOURS)}")
    found = installed_flavours()
    if flavour == "auto":
        if not found:
            raise MissingError(f"no TensorRT is installed here; {_remedy(FLAVOURS)}")
        flavour = found[0]
    if flavour not in found:
        raise MissingError(f"{TITLES[flavour]} is not installed here; {_remedy((flavour,))}")
    try:
        module = importlib.import_module(_MODULES[flavour])
        version = str(module.__version__)
    except (ImportError, OSError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MissingError(
            f"{TITLES[flavour]} is installed but cannot be imported ({reason}); "
            f"install it anew: {_remedy((flavour,))}"
        ) from error
    return Library(flavour, version, _built_for_cuda(flavour, version), module)


def version_numbers(version: str) -> tuple[int, ...]:
    """``10.13.0.35`` as (10, 13, 0, 35); what is no number ends it."""
    numbers: list[int] = []
    for part in version.split("."):
        if not (part.isascii() and part.isdecimal()):
            break
        numbers.append(int(part))
    return tuple(numbers)


def new_builder(library: Library, logger: trt.ILogger) -> trt.Builder:
    """A builder; MissingError where this library cannot build on this machine."""
    try:
        with held_signals():
            _register_plugins(library, logger)
            builder: trt.Builder = library.module.Builder(logger)
    except (TypeError, RuntimeError) as error:  # the factory function returned nullptr
        raise MissingError(
            f"{library.title} cannot build here: it needs an NVIDIA GPU with its driver; "
            "check with nvidia-smi"
        ) from error
    return builder


def _register_plugins(library: Library, logger: trt.ILogger) -> None:
    """Make the operators of TensorRT's own plug-ins known, where they are a library apart."""
    register = getattr(library.module, "init_libnvinfer_plugins", None)
    if register is not None:
        register(logger, "")


def parse_onnx(library: Library, builder: trt.Builder, logger: trt.ILogger, model: bytes) -> Parsed:
    """The network of a serialised ONNX model; where it has ``faults``, it is not to be built."""
    network = builder.create_network(library.network_flags)
    parser: trt.OnnxParser = library.module.OnnxParser(network, logger)
    faults: tuple[ParserFault, ...] = ()
    with held_signals():
        taken = parser.parse(model)
    if not taken:
        found = [_fault(parser.get_error(index)) for index in range(parser.num_errors)]
        faults = tuple(found) or (ParserFault("", "", "the parser gave no reason"),)
    return Parsed(network, parser, faults)


def new_config(
    library: Library,
    builder: trt.Builder,
    *,
    precision: str,
    workspace_mb: int | None = None,
    targets: Sequence[int] = (),
) -> trt.IBuilderConfig:
    """A builder configuration; ``precision`` is fp32, fp16 or int8.

    It becomes builder flags where networks are not strongly typed; where they are, the ONNX file
    says it all. fp32 is no TF32, which rounds to 10 bits and would be the default. ``targets``:
    compute capabilities, as `Library.targets` has them; () is the GPU of this machine. The plan
    keeps its layers' details for the inspector. Raises InputError for a precision or target that
    the library does not know.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision '{precision}': expected one of {', '.join(PRECISIONS)}")
    module = library.module
    config = builder.create_builder_config()
    config.profiling_verbosity = module.ProfilingVerbosity.DETAILED
    if workspace_mb is not None:
        config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, workspace_mb << 20)
    if not library.strongly_typed:
        flags = {"fp32": (), "fp16": ("FP16",), "int8": ("INT8", "FP16")}[precision]
        for name in flags:
            config.set_flag(getattr(module.BuilderFlag, name))
    if precision == "fp32" and hasattr(module.BuilderFlag, "TF32"):
        config.clear_flag(module.BuilderFlag.TF32)
    if targets:
        _set_targets(library, config, targets)
    return config


def uses_tf32(library: Library, config: trt.IBuilderConfig) -> bool:
    """Whether float32 may be computed with 10 bits, where the GPU can."""
    flags = library.module.BuilderFlag
    return hasattr(flags, "TF32") and bool(config.get_flag(flags.TF32))


def use_timing_cache(config: trt.IBuilderConfig, data: bytes) -> None:
    """Build with the timings of earlier builds; ``data`` may be empty. See `keeps_timings`.

    Timings that are damaged, or of another library or GPU, are left aside.
    """
    cache = config.create_timing_cache(data)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)


def read_timing_cache(config: trt.IBuilderConfig) -> bytes:
    """The timings after a build, for the next one; empty where there are none."""
    cache = config.get_timing_cache()
    return b"" if cache is None else bytes(memoryview(cache.serialize()))


def build_plan(
    library: Library,
    builder: trt.Builder,
    network: trt.INetworkDefinition,
    config: trt.IBuilderConfig,
) -> bytes | None:
    """The serialised engine; None where building failed: the logger was told why.

    Ctrl-C ends the build at its next step, or after it where the library cannot be stopped.
    """
    with held_signals() as stopped:
        monitor = new_monitor(library, stopped)
        if monitor is not None:
            config.progress_monitor = monitor
        plan = builder.build_serialized_network(network, config)
    return None if plan is None else bytes(memoryview(plan))


def new_runtime(library: Library, logger: trt.ILogger) -> trt.Runtime:
    """What deserialises engines; MissingError where this machine cannot run any."""
    try:
        _register_plugins(library, logger)
        runtime: trt.Runtime = library.module.Runtime(logger)
    except (TypeError, RuntimeError) as error:
        raise MissingError(
            f"{library.title} cannot run here: it needs an NVIDIA GPU with its driver; "
            "check with nvidia-smi"
        ) from error
    return runtime


def load_engine(runtime: trt.Runtime, plan: bytes) -> trt.ICudaEngine | None:
    """The engine of a plan that was checked; None where the logger was told why not."""
    with held_signals():
        return runtime.deserialize_cuda_engine(plan)


def dtype_name(dtype: trt.DataType) -> str:
    """NumPy's name of a TensorRT type; TensorRT's own in small letters where NumPy has none."""
    name = str(dtype.name)
    return _DTYPES.get(name, name.lower())


def sizes(dims: trt.Dims) -> tuple[int, ...]:
    """A shape of TensorRT as whole numbers; -1 is a free dimension."""
    return tuple(int(dims[index]) for index in range(len(dims)))


def _set_targets(library: Library, config: Any, targets: Sequence[int]) -> None:
    known = library.targets
    for target in targets:
        if target not in known:
            expected = ", ".join(map(str, known)) or "none but the GPU of this machine"
            raise InputError(
                f"{library.title} cannot build for compute capability {target}; it knows {expected}"
            )
    config.num_compute_capabilities = len(targets)
    for index, target in enumerate(targets):
        capability = getattr(library.module.ComputeCapability, f"SM{target}")
        config.set_compute_capability(capability, index)


def _fault(error: trt.ParserError) -> ParserFault:
    # 8.6 knows a node by its number alone.
    name = error.node_name() if hasattr(error, "node_name") else f"number {error.node()}"
    op = error.node_operator() if hasattr(error, "node_operator") else ""
    reason = " ".join(str(error.desc()).split())
    # The text of a failed check says little alone, and nothing where the check is "false".
    kind = str(getattr(error.code(), "name", "")).lower().replace("_", " ")
    said = "" if reason in ("", "false") else reason
    return ParserFault(name, op, ": ".join(filter(None, (kind, said))) or "it gave no reason")


def _built_for_cuda(flavour: str, version: str) -> str:
    for major in _CUDA_MAJORS:
        with suppress(metadata.PackageNotFoundError):
            if metadata.version(_DISTRIBUTIONS[flavour].format(major)) == version:
                return str(major)
    return ""


def _remedy(flavours: Sequence[str]) -> str:
    commands = {
        "tensorrt": f"{install_command('trt')} (CUDA 13; on Jetson it comes with JetPack)",
        "rtx": f"{install_command('rtx')} (GeForce and RTX cards, CUDA 13)",
    }
    return " or ".join(commands[name] for name in flavours)
