"""An engine from an ONNX model in memory, by whichever TensorRT there is."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import InputError, NncError
from ...runtimes.base import TensorSpec
from ...runtimes.trt.callbacks import new_logger
from ...runtimes.trt.compat import (
    build_plan,
    dtype_name,
    new_builder,
    new_config,
    parse_onnx,
    read_timing_cache,
    use_timing_cache,
    uses_tf32,
)
from ...runtimes.trt.sidecar import LayerPrecision
from .rules import LAYERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onnx import ModelProto

    from ...model_card import InputSpec
    from ...runtimes.trt.compat import Library, Parsed, ParserFault
    from .settings import TrtSettings
    from .timings import Timings

__all__ = ["Built", "build_engine", "check_parses"]

log = logging.getLogger(__name__)

_WEIGHTED = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY")
_WANTS_MEMORY = re.compile(r"OutOfMemory|workspace", re.IGNORECASE)
_PLACE_IN_LIBRARY = re.compile(r"^\[[^\]]*\] ")
_PRECISIONS = {"float32": "fp32", "float16": "fp16", "int8": "int8"}


@dataclass(frozen=True)
class Built:
    """A serialised engine, and what the network it was built of looked like."""

    plan: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batch: tuple[int, int, int]
    layers: tuple[LayerPrecision, ...]
    tf32: bool
    seconds: float
    warnings: tuple[str, ...]


def build_engine(
    library: Library,
    model: ModelProto,
    spec: InputSpec,
    settings: TrtSettings,
    *,
    targets: Sequence[int] = (),
    whys: Mapping[str, str] | None = None,
    timings: Timings | None = None,
    source: str,
) -> Built:
    """Parse and build ``model``, whose images are ``spec``, for ``targets`` or the GPU at hand.

    ``whys`` maps the names of layers to why they are no int8. ``timings`` are read before and kept
    after the build. Raises InputError where the parser refuses a node, naming it; MissingError
    where this machine cannot build; NncError where building fails, with the library's reason.
    """
    notes = _Notes()
    logger = new_logger(library, notes.add)
    builder = new_builder(library, logger)
    parsed = _parsed(library, builder, logger, model, source)
    network = parsed.network
    config = new_config(
        library,
        builder,
        precision=settings.precision,
        workspace_mb=settings.workspace_mb,
        targets=targets,
    )
    batch = _set_batches(builder, network, config, spec, settings, source)
    if timings is not None:
        use_timing_cache(config, timings.read())
    # What came before was no reason to fail: timings that do not fit, say.
    notes.errors.clear()
    start = time.monotonic()
    plan = build_plan(library, builder, network, config)
    seconds = time.monotonic() - start
    if plan is None:
        hint = _more_memory(notes.errors, settings.workspace_mb)
        raise NncError(f"{source}: {library.title} built no engine: {notes.failure(model)}{hint}")
    if timings is not None:
        timings.keep(read_timing_cache(config))
    return Built(
        plan,
        tuple(_tensor(network.get_input(index)) for index in range(network.num_inputs)),
        tuple(_tensor(network.get_output(index)) for index in range(network.num_outputs)),
        batch,
        _layers(network, library, settings, model, whys or {}),
        uses_tf32(library, config),
        seconds,
        tuple(notes.warnings),
    )


def check_parses(library: Library, model: ModelProto, source: str) -> None:
    """Raise InputError, naming the node, where the parser would refuse ``model``: at once."""
    logger = new_logger(library, lambda *_: None)
    _parsed(library, new_builder(library, logger), logger, model, source)


def _parsed(library: Library, builder: Any, logger: Any, model: ModelProto, source: str) -> Parsed:
    parsed = parse_onnx(library, builder, logger, model.SerializeToString())
    if parsed.faults:
        raise InputError(f"{source}: {library.title} cannot take {_told(parsed.faults[0], model)}")
    return parsed


class _Notes:
    """What the library logged: warnings and errors are kept, the rest only handed on."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.errors: list[str] = []

    def add(self, severity: str, text: str) -> None:
        if severity == "warning":
            if text not in self.warnings:
                self.warnings.append(text)
            log.info("TensorRT: %s", text)
        elif severity in ("error", "internal_error"):
            self.errors.append(text)
            log.info("TensorRT: %s: %s", severity, text)
        else:
            log.debug("TensorRT: %s", text)

    def failure(self, model: ModelProto) -> str:
        """The first error of the build, with the ONNX node that it is about, if it names one."""
        if not self.errors:
            return "it gave no reason; -vv shows its log"
        text = _PLACE_IN_LIBRARY.sub("", self.errors[0])
        # The longest name: one node's may begin like another's.
        found = max(
            (n.name for n in model.graph.node if n.name and n.name in text), key=len, default=""
        )
        return f"node '{found}': {text}" if found else text


def _more_memory(errors: Sequence[str], workspace_mb: int | None) -> str:
    if workspace_mb is None or not any(_WANTS_MEMORY.search(text) for text in errors):
        return ""
    return f"; {workspace_mb} MB are too few, give --workspace-mb more or leave it out"


def _told(fault: ParserFault, model: ModelProto) -> str:
    op, name = fault.op, fault.node
    number = name.removeprefix("number ")
    if (
        name != number
        and number.isascii()
        and number.isdecimal()
        and int(number) < len(model.graph.node)
    ):
        node = model.graph.node[int(number)]
        op, name = node.op_type, node.name
    where = f"{op or 'node'} '{name}'" if name else "the model"
    return f"{where}: {fault.reason}"


def _set_batches(
    builder: Any,
    network: Any,
    config: Any,
    spec: InputSpec,
    settings: TrtSettings,
    source: str,
) -> tuple[int, int, int]:
    """Let the engine take ``settings.batch``, or say what the model fixes."""
    (entry,) = (network.get_input(index) for index in range(network.num_inputs))
    shape = tuple(entry.shape)
    image = (spec.channels, spec.height, spec.width)
    if -1 not in shape:
        return shape[0], shape[0], shape[0]
    batch = settings.batch if shape[0] == -1 else (shape[0],) * 3
    profile = builder.create_optimization_profile()
    profile.set_shape(entry.name, *((size, *image) for size in batch))
    if config.add_optimization_profile(profile) < 0:
        raise InputError(f"{source}: batches of {batch} do not fit its input {list(shape)}")
    return batch


def _tensor(tensor: Any) -> TensorSpec:
    shape = tuple(None if size < 0 else int(size) for size in tensor.shape)
    return TensorSpec(str(tensor.name), dtype_name(tensor.dtype), shape)


def _layers(
    network: Any,
    library: Library,
    settings: TrtSettings,
    model: ModelProto,
    whys: Mapping[str, str],
) -> tuple[LayerPrecision, ...]:
    """What the layers with weights compute in, by the network as the library read it."""
    ops = {node.name: node.op_type for node in model.graph.node if node.op_type in LAYERS}
    makers: dict[str, Any] = {}
    found = []
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        for output in range(layer.num_outputs):
            makers[layer.get_output(output).name] = layer
        if layer.type.name not in _WEIGHTED:
            continue
        first = layer.get_input(0)
        int8 = all(_dequantised(layer, index, makers) for index in (0, 1))
        precision = "int8" if int8 else _PRECISIONS.get(dtype_name(first.dtype), "fp32")
        if not int8 and not library.strongly_typed and settings.precision != "fp32":
            precision = "fp16"
        why = "" if int8 else whys.get(layer.name, "")
        found.append(
            LayerPrecision(layer.name, ops.get(layer.name, layer.type.name), precision, why)
        )
    return tuple(found)


def _dequantised(layer: Any, index: int, makers: Mapping[str, Any]) -> bool:
    """Whether an input comes from integers, be it through a layer that only moves values.

    Weights that are no input of their own are constants of the layer, and float.
    """
    while index < layer.num_inputs:
        maker = makers.get(layer.get_input(index).name)
        if maker is None or maker.type.name == "DEQUANTIZE":
            return maker is not None
        if maker.type.name != "SHUFFLE":
            return False
        layer, index = maker, 0
    return False
