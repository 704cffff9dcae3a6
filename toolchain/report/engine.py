"""What building a TensorRT engine did, in lines for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...exporters.trt.result import EngineResult

__all__ = ["engine_lines", "layer_lines"]


def engine_lines(result: EngineResult) -> Iterator[str]:
    """How it was made, what for, and what int8 costs."""
    sidecar = result.sidecar
    if result.quantised is not None:
        candidate = result.quantised.trial.candidate
        tools = f", with {', '.join(candidate.tools)}" if candidate.tools else ""
        yield f"{candidate.calibration} calibration on {result.quantised.samples} images{tools}"
        if candidate.float_nodes:
            yield f"left in float by the guard: {', '.join(candidate.float_nodes)}"
        if result.quantised.trial.drop is not None:
            yield f"int8 on held-back images: {result.quantised.trial.drop}"
        if result.quantised.trial.confirmed is not None:
            yield f"on others, that no choice was made by: {result.quantised.trial.confirmed}"
    if result.fp16_drop is not None:
        told = "fp16 on held-back images" if result.quantised is None else "with the rest in fp16"
        yield f"{told}: {result.fp16_drop}"
    counts = Counter(layer.precision for layer in sidecar.layers)
    asked = ", as asked for" if sidecar.layers_requested else ""
    yield f"layers with weights{asked}: " + ", ".join(
        f"{n} {kind}" for kind, n in sorted(counts.items())
    )
    for layer in sidecar.layers:
        if layer.why:
            yield f"{layer.op} '{layer.name}' is {layer.precision}: {layer.why}"
    title = {"tensorrt": "TensorRT", "rtx": "TensorRT for RTX"}[sidecar.flavour]
    where = ", ".join(f"{each // 10}.{each % 10}" for each in sidecar.runs_on)
    yield (
        f"{title} {sidecar.version}, for compute capability {where}, batches "
        f"{','.join(map(str, sidecar.batch))}, built in {sidecar.build_seconds:.1f} s"
    )
    if result.onnx is not None:
        yield f"Q/DQ file: {result.onnx}"


def layer_lines(result: EngineResult) -> Iterator[str]:
    """A line for each layer with weights: what it computes in, and why not int8."""
    for layer in result.sidecar.layers:
        yield f"{layer.precision:<5} {layer.op:<14} {layer.name}{layer.why and f': {layer.why}'}"
